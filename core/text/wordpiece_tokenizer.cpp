// WordPiece ("bert"): from the beginning of a word, again and again the longest token. A word that cannot be spelled so is the unknown
// token. In GGUF, tokens that begin a word have a "▁" before them, and those that continue one have none (BERT's own files write "##").
#include <algorithm>
#include <initializer_list>
#include <string>

#include "core/text/huggingface_rules.h"
#include "core/text/sentencepiece.h"
#include "core/text/tokenizer_vocabulary.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

constexpr std::size_t kLongestWord = 100;  // characters; a longer word is unknown, as in BERT

class WordPiece final : public VocabularyTokenizer {
 public:
  WordPiece(Vocabulary vocabulary, std::optional<TokenId> unknown, WordRules rules)
      : VocabularyTokenizer(std::move(vocabulary)), unknown_(unknown), rules_(std::move(rules)) {
    for (const auto text : vocab_.texts()) longest_ = std::max(longest_, std::min(text.size(), kLongestSearched));
  }

 protected:
  void encode_plain(std::string_view text, bool at_start, std::vector<TokenId>& out) const override {
    for (const auto& word : rules_.words(text, at_start)) {
      const std::size_t before = out.size();
      if (encode_word(word, out)) continue;
      out.resize(before);
      if (unknown_) out.push_back(*unknown_);
    }
  }

  std::string plain_piece(TokenId id) const override { return sentencepiece_text(vocab_, id); }

 private:
  bool encode_word(std::string_view word, std::vector<TokenId>& out) const {
    const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    if (std::ranges::count_if(word, starts_character) > static_cast<std::ptrdiff_t>(kLongestWord)) return false;
    const std::string marked = std::string(kSpaceLetter).append(word);
    std::string_view rest = marked;
    for (bool first = true; !rest.empty(); first = false) {
      if (!first && rest.starts_with(kSpaceLetter)) return false;  // the text's own letter, which would be taken for the mark
      std::size_t length = std::min(rest.size(), longest_);
      std::optional<TokenId> id;
      const std::size_t mark = first ? kSpaceLetter.size() : 0;
      for (; length > mark; --length) {
        if (length < rest.size() && !starts_character(rest[length])) continue;
        id = vocab_.find(rest.substr(0, length));
        if (id && vocab_.kind(*id) == TokenKind::kNormal) break;
      }
      if (length <= mark) return false;
      out.push_back(*id);
      rest.remove_prefix(length);
    }
    return true;
  }

  std::optional<TokenId> unknown_;
  WordRules rules_;
  std::size_t longest_ = 0;  // bytes of the longest token
};

// A vocabulary whose words have capital letters was trained on text as it is.
bool has_capitals(const Vocabulary& vocabulary) {
  const auto has_capital = [](std::string_view text) { return std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; }); };
  for (TokenId id = 0; id < vocabulary.size(); ++id)
    if (vocabulary.kind(id) == TokenKind::kNormal && vocabulary.text(id).starts_with(kSpaceLetter) && has_capital(vocabulary.text(id)))
      return true;
  return false;
}

// In tokenizer.json's words; or BERT's own, with two flags that few files have.
Result<WordRules> rules_for(const formats::Metadata& metadata, const Vocabulary& vocabulary) {
  auto own = huggingface_rules(metadata);
  if (!own) return fail(own.error());
  if (*own) return *std::move(*own);
  const bool lowercase = metadata.boolean("tokenizer.ggml.normalizer.lowercase").value_or(!has_capitals(vocabulary));
  const bool strip_accents = metadata.boolean("tokenizer.ggml.normalizer.strip_accents").value_or(lowercase);
  const auto json = [](bool flag) { return flag ? "true" : "false"; };
  return word_rules_from_json(std::string(R"({"normalizer": {"type": "BertNormalizer", "lowercase": )") + json(lowercase) +
                              R"(, "strip_accents": )" + json(strip_accents) + R"(}, "pre_tokenizer": {"type": "BertPreTokenizer"}})");
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_wordpiece(const formats::Metadata& metadata) {
  const bool separates = metadata.boolean("tokenizer.ggml.add_sep_token").value_or(true);
  auto vocabulary = Vocabulary::from_metadata(metadata, {.bos = {}, .eos = {}, .add_bos = true, .add_eos = separates});
  if (!vocabulary) return fail(vocabulary.error());
  const auto role = [&](std::initializer_list<const char*> keys, std::string_view name) {
    for (const auto* key : keys)
      if (const auto id = vocabulary->special_id(metadata, key)) return id;
    return vocabulary->find(name);
  };
  const auto unknown = role({"tokenizer.ggml.unknown_token_id"}, "[UNK]");
  // [CLS] and [SEP] stand around a text, whatever the file calls the beginning and the end.
  vocabulary->set_ends(role({"tokenizer.ggml.cls_token_id", "tokenizer.ggml.bos_token_id"}, "[CLS]"),
                       role({"tokenizer.ggml.seperator_token_id", "tokenizer.ggml.eos_token_id"}, "[SEP]"));
  auto rules = rules_for(metadata, *vocabulary);
  if (!rules) return fail(rules.error());
  return std::make_unique<const WordPiece>(std::move(*vocabulary), unknown, *std::move(rules));
}

}  // namespace mlxr::text
