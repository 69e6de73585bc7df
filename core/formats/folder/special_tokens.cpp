// The tokens with a part to play: which begin a text, end it, end an answer.
#include <algorithm>

#include "core/formats/folder/vocabulary.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

using Id = std::int64_t;

class SpecialTokensReader {
 public:
  SpecialTokensReader(const TokenFiles& files, std::span<const std::string_view> tokens, OwnedMetadata& metadata)
      : files_(files), tokens_(tokens), metadata_(metadata) {}

  Result<void> read() {
    const auto cls = token("cls"), separator = token("sep");
    auto bos = token("bos"), eos = token("eos");
    if (!bos) bos = cls;
    if (!eos) eos = separator;
    // Qwen3-Embedding ends its texts with another token than its answers.
    const auto ends = ends_of_template();
    const auto of_answers = eos;
    if (ends.first) bos = ends.first;
    if (ends.last) eos = ends.last;
    for (const auto& [name, id] : {std::pair("bos", bos),
                                   {"eos", eos},
                                   {"padding", token("pad")},
                                   {"unknown", token("unk")},
                                   {"cls", cls},
                                   {"seperator", separator},
                                   {"mask", token("mask")}}) {  // GGUF's spelling
      if (id) metadata_.add(std::string("tokenizer.ggml.") + name + "_token_id", *id);
    }
    add_ends(bos, eos);
    add_more_ends(eos, of_answers);
    // Of no answer.
    if (auto suppressed = ids_of(files_.generation, "suppress_tokens"); !suppressed.empty())
      metadata_.add("tokenizer.ggml.suppress_tokens", std::move(suppressed));
    return {};
  }

 private:
  // By its text in tokenizer_config.json, or by its id in config.json.
  std::optional<Id> token(const std::string& part) const {
    const auto* text = files_.settings ? files_.settings->find(part + "_token") : nullptr;
    if (text && text->members()) text = text->find("content");
    if (text && text->text()) {
      const auto found = std::ranges::find(tokens_, *text->text());
      if (found != tokens_.end()) return found - tokens_.begin();
    }
    const auto ids = ids_of(files_.config, part + "_token_id");
    return ids.empty() ? std::nullopt : std::optional(ids[0]);
  }

  // One id, or a list of them. Ids that no token has mean "none".
  std::vector<Id> ids_of(const Json* object, const std::string& name) const {
    std::vector<Id> ids;
    const auto* value = object ? object->find(name) : nullptr;
    if (!value) return ids;
    const auto add = [&](const Json& item) {
      if (item.integer() && *item.integer() >= 0 && std::cmp_less(*item.integer(), tokens_.size())) ids.push_back(*item.integer());
    };
    if (value->items()) {
      for (const auto& item : *value->items()) add(item);
    } else {
      add(*value);
    }
    return ids;
  }

  // The tokens with which a template begins and ends a text: each alone there. Nothing without one.
  struct Ends {
    std::optional<Id> first, last;
  };
  Ends ends_of_template() const {
    Ends ends;
    for (const auto* step : steps_of(files_.tokenizer->find("post_processor"), "processors")) {
      const auto* single = step->find("single");
      const auto* parts = single ? single->items() : nullptr;
      if (!parts || parts->size() < 2) continue;
      const auto text = std::ranges::find_if(*parts, [](const Json& part) { return part.find("Sequence") != nullptr; });
      if (text - parts->begin() == 1) ends.first = token_of(parts->front());
      if (parts->end() - text == 2) ends.last = token_of(parts->back());
    }
    return ends;
  }

  // Of a part of a template.
  std::optional<Id> token_of(const Json& part) const {
    const auto* special = part.find("SpecialToken");
    const auto* text = special ? special->find("id") : nullptr;
    if (!text || !text->text()) return std::nullopt;
    const auto found = std::ranges::find(tokens_, *text->text());
    return found == tokens_.end() ? std::nullopt : std::optional<Id>(found - tokens_.begin());
  }

  // What the post-processor puts before and after a text; tokenizer_config.json may say otherwise.
  void add_ends(std::optional<Id> bos, std::optional<Id> eos) {
    const auto* processor = files_.tokenizer->find("post_processor");
    const auto* list = processor ? processor->find("processors") : nullptr;
    bool first = false, last = false;
    const auto look = [&](const Json& one) {
      first |= bos && is_pair_of(one.find("cls"), *bos);
      last |= eos && is_pair_of(one.find("sep"), *eos);
      const auto* single = one.find("single");
      if (!single || !single->items() || single->items()->empty()) return;
      first |= bos && token_of(single->items()->front()) == *bos;
      last |= eos && token_of(single->items()->back()) == *eos;
    };
    if (list && list->items()) {
      for (const auto& one : *list->items()) look(one);
    } else if (processor) {
      look(*processor);
    }
    metadata_.add("tokenizer.ggml.add_bos_token", said("add_bos_token").value_or(first));
    metadata_.add("tokenizer.ggml.add_eos_token", said("add_eos_token").value_or(last));
  }

  std::optional<bool> said(std::string_view name) const {
    const auto* value = files_.settings ? files_.settings->find(name) : nullptr;
    return value ? value->boolean() : std::nullopt;
  }

  // Whether this is a token and its id, as BertProcessing and RobertaProcessing have them.
  static bool is_pair_of(const Json* pair, Id id) {
    return pair && pair->items() && pair->items()->size() == 2 && (*pair->items())[1].integer() == id;
  }

  // Tokens that end an answer beside EOS. GGUF has a key for each of two, and other programs read no more; the list has all.
  void add_more_ends(std::optional<Id> eos, std::optional<Id> of_answers) {
    std::vector<Id> ends = ids_of(files_.generation, "eos_token_id");
    for (const auto id : ids_of(files_.config, "eos_token_id")) ends.push_back(id);
    if (of_answers) ends.push_back(*of_answers);
    std::ranges::sort(ends);
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    if (eos) std::erase(ends, *eos);
    constexpr std::string_view kKeys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    for (std::size_t i = 0; i < std::min(ends.size(), std::size(kKeys)); ++i) metadata_.add(std::string(kKeys[i]), ends[i]);
    if (ends.size() <= std::size(kKeys)) return;
    if (eos) ends.insert(ends.begin(), *eos);
    metadata_.add("tokenizer.ggml.eos_token_ids", std::move(ends));
  }

  const TokenFiles& files_;
  std::span<const std::string_view> tokens_;
  OwnedMetadata& metadata_;
};

}  // namespace

Result<void> read_special_tokens(const TokenFiles& files, std::span<const std::string_view> tokens, OwnedMetadata& metadata) {
  return SpecialTokensReader(files, tokens, metadata).read();
}

}  // namespace mlxr::formats
