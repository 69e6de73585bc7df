// SentencePiece-style BPE ("llama", and "gemma4", which lists merges in place of scores): spaces become "▁", the neighbours whose union has
// the best score merge first, and text without a token is spelled in byte tokens <0xXX>. Equal scores merge from left to right, as in
// SentencePiece.
#include <array>
#include <bit>
#include <optional>
#include <string>
#include <vector>

#include "core/text/bpe_merges.h"
#include "core/text/huggingface_rules.h"
#include "core/text/sentencepiece.h"
#include "core/text/tokenizer_vocabulary.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// A key that is smaller for a better score: the bits of the float, mapped so that unsigned comparison gives the reverse order.
std::uint32_t order_of(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score == 0 ? 0.0f : score);
  return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

std::string escape_spaces(std::string_view text, bool prefix) {
  std::string out;
  out.reserve(text.size() + text.size() / 2 + kSpaceLetter.size());
  if (prefix) out += kSpaceLetter;
  for (const char c : text) {
    if (c == ' ')
      out += kSpaceLetter;
    else
      out += c;
  }
  return out;
}

class SentencePieceBpe final : public VocabularyTokenizer {
 public:
  SentencePieceBpe(Vocabulary vocabulary, std::vector<float> scores, std::array<TokenId, 256> byte_ids, std::optional<TokenId> unknown,
                   WordRules rules)
      : VocabularyTokenizer(std::move(vocabulary)),
        scores_(std::move(scores)),
        byte_ids_(byte_ids),
        unknown_(unknown),
        rules_(std::move(rules)) {
    for (const auto text : vocab_.texts()) longest_ = std::max(longest_, std::min(text.size(), kLongestSearched));
  }

 protected:
  void encode_plain(std::string_view text, bool at_start, std::vector<TokenId>& out) const override {
    for (const auto& word : rules_.words(text, at_start)) encode_word(word, out);
  }

  std::string plain_piece(TokenId id) const override { return sentencepiece_text(vocab_, id); }

 private:
  void encode_word(const std::string& escaped, std::vector<TokenId>& out) const {
    std::vector<BpeSymbol> symbols;
    symbols.reserve(escaped.size());
    for (std::size_t at = 0; at < escaped.size();) {
      const std::size_t length = utf8_step(std::string_view(escaped).substr(at)).length;
      const auto index = static_cast<std::int32_t>(symbols.size());
      symbols.push_back({mergeable(std::string_view(escaped).substr(at, length)), index - 1, index + 1, static_cast<std::uint32_t>(at),
                         static_cast<std::uint32_t>(length)});
      at += length;
    }
    symbols.back().next = -1;

    std::vector<BpeCandidate> heap;
    merge_all(symbols, heap, [&](const BpeSymbol& a, const BpeSymbol& b) {
      BpeCandidate candidate{0, 0, 0, -1};
      if (a.length + b.length > longest_) return candidate;
      candidate.merged = mergeable(std::string_view(escaped).substr(a.begin, a.length + b.length));
      if (candidate.merged >= 0) candidate.order = order_of(scores_[static_cast<std::size_t>(candidate.merged)]);
      return candidate;
    });
    for (const auto& symbol : symbols)
      if (symbol.length) append(symbol, escaped, out);
  }

  // The token for plain text. Text never becomes a control or byte token, even if it is spelled like one.
  TokenId mergeable(std::string_view text) const {
    const auto id = vocab_.find(text);
    return id && !vocab_.is_control(*id) && vocab_.kind(*id) != TokenKind::kByte ? *id : -1;
  }

  void append(const BpeSymbol& symbol, std::string_view text, std::vector<TokenId>& out) const {
    if (symbol.id >= 0) {
      out.push_back(symbol.id);
    } else {
      append_bytes(text.substr(symbol.begin, symbol.length), byte_ids_, unknown_, out);
    }
  }

  std::vector<float> scores_;
  std::array<TokenId, 256> byte_ids_;  // -1 where the vocabulary has none
  std::optional<TokenId> unknown_;
  WordRules rules_;
  std::size_t longest_ = 0;  // bytes of the longest token that is searched for
};

// Scores decide in files of the kind "llama" that have any; Gemma 4's files may have some that mean nothing.
bool merges_decide(const formats::Metadata& metadata) {
  if (metadata.string("tokenizer.ggml.model") == "llama" && metadata.find("tokenizer.ggml.scores") != nullptr) return false;
  return !metadata.strings("tokenizer.ggml.merges").empty();
}

// Merges as scores: an earlier one is better, and all that make the same token have the score of the first.
std::vector<float> scores_of_merges(const formats::Metadata& metadata, const Vocabulary& vocabulary) {
  constexpr float kNeverMerged = -1e9F;
  std::vector<float> scores(static_cast<std::size_t>(vocabulary.size()), kNeverMerged);
  float score = 0;
  for (const auto merge : metadata.strings("tokenizer.ggml.merges")) {
    const std::size_t space = merge.find(' ', 1);
    const auto made =
        space == merge.npos ? std::nullopt : vocabulary.find(std::string(merge.substr(0, space)).append(merge.substr(space + 1)));
    if (made && scores[static_cast<std::size_t>(*made)] == kNeverMerged) scores[static_cast<std::size_t>(*made)] = score;
    --score;
  }
  return scores;
}

// How the file says that text becomes words: in tokenizer.json's words, or by one flag. Without rules a text is one word.
Result<WordRules> rules_for(const formats::Metadata& metadata) {
  auto own = huggingface_rules(metadata);
  if (!own) return fail(own.error());
  if (*own) return *std::move(*own);
  const bool prefix = metadata.boolean("tokenizer.ggml.add_space_prefix").value_or(!merges_decide(metadata));
  WordRules rules;
  rules.normalizer = Normalizer({[prefix](const std::string& text) { return escape_spaces(text, prefix); }});
  return rules;
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_sentencepiece_bpe(const formats::Metadata& metadata) {
  auto vocabulary = Vocabulary::from_metadata(metadata, {.bos = 1, .eos = 2, .add_bos = true, .add_eos = false});
  if (!vocabulary) return fail(vocabulary.error());
  auto scores = merges_decide(metadata) ? scores_of_merges(metadata, *vocabulary) : token_scores(metadata, *vocabulary);
  if (!scores) return fail(scores.error());
  const auto unknown = vocabulary->special_id(metadata, "tokenizer.ggml.unknown_token_id");

  const auto byte_ids = byte_tokens(*vocabulary);
  if (!byte_ids) return fail(byte_ids.error());
  auto rules = rules_for(metadata);
  if (!rules) return fail(rules.error());
  return std::make_unique<const SentencePieceBpe>(std::move(*vocabulary), *std::move(scores), *byte_ids, unknown, *std::move(rules));
}

}  // namespace mlxr::text
