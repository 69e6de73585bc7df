#include "core/text/pair.h"

#include <algorithm>
#include <string>

#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// The template with both texts in their places. Control tokens are the template's alone.
MarkedText filled(std::string_view source, std::string_view query, std::string_view document) {
  constexpr std::string_view kQuery = "{query}", kDocument = "{document}";
  MarkedText text;
  while (!source.empty()) {
    const auto at = std::min(source.find(kQuery), source.find(kDocument));
    text += source.substr(0, at);
    if (at == source.npos) break;
    source.remove_prefix(at);
    const bool is_query = source.starts_with(kQuery);
    text.append(utf8_repair(is_query ? query : document), Origin::kContent);
    source.remove_prefix((is_query ? kQuery : kDocument).size());
  }
  return text;
}

// BERT and ModernBERT have one separator between two texts; RoBERTa and its kin have two, the end of the one text and of the other.
bool has_one_separator(const formats::Metadata& metadata) {
  return metadata.string("tokenizer.ggml.model") == "bert" || metadata.string("tokenizer.ggml.pre") == "modern-bert";
}

}  // namespace

Pair encode_pair(const Tokenizer& tokenizer, const formats::Metadata& metadata, std::string_view query, std::string_view document) {
  if (const auto own = metadata.string("tokenizer.chat_template.rerank"))
    return {tokenizer.encode(filled(*own, query, document), {.parse_special = true}), 0};
  Pair pair{tokenizer.encode(query, {.add_special = true}), 0};
  auto second = tokenizer.encode(document, {.add_special = true});
  if (!second.empty() && second.front() == tokenizer.bos()) {
    if (has_one_separator(metadata) || !tokenizer.eos()) {
      second.erase(second.begin());
    } else {
      second.front() = *tokenizer.eos();
    }
  }
  pair.second = static_cast<int>(pair.prompt.size());
  pair.prompt.insert(pair.prompt.end(), second.begin(), second.end());
  return pair;
}

}  // namespace mlxr::text
