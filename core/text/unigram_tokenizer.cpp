// SentencePiece's unigram model ("t5"; also XLM-RoBERTa, ALBERT): of all ways to spell a word in tokens, the one whose scores have the
// largest sum. A character that no token spells costs more than any token, and is the unknown token; several in a row are one.
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "core/text/huggingface_rules.h"
#include "core/text/sentencepiece.h"
#include "core/text/tokenizer_vocabulary.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

constexpr double kUnknownPenalty = 10;

std::vector<TokenId> normal_tokens(const Vocabulary& vocabulary) {
  std::vector<TokenId> ids;
  for (TokenId id = 0; id < vocabulary.size(); ++id)
    if (vocabulary.kind(id) == TokenKind::kNormal && vocabulary.text(id).size() <= kLongestSearched) ids.push_back(id);
  return ids;
}

class Unigram final : public VocabularyTokenizer {
 public:
  Unigram(Vocabulary vocabulary, std::vector<float> scores, std::array<TokenId, 256> byte_ids, std::optional<TokenId> unknown,
          WordRules rules)
      : VocabularyTokenizer(std::move(vocabulary)),
        scores_(std::move(scores)),
        byte_ids_(byte_ids),
        unknown_(unknown),
        rules_(std::move(rules)),
        tokens_(vocab_.texts(), normal_tokens(vocab_)) {
    double lowest = 0;
    for (TokenId id = 0; id < vocab_.size(); ++id)
      if (vocab_.kind(id) == TokenKind::kNormal) lowest = std::min(lowest, double{scores_[static_cast<std::size_t>(id)]});
    unknown_score_ = lowest - kUnknownPenalty;
  }

 protected:
  void encode_plain(std::string_view text, bool at_start, std::vector<TokenId>& out) const override {
    std::vector<Best> best;
    for (const auto& word : rules_.words(text, at_start)) encode_word(word, best, out);
  }

  std::string plain_piece(TokenId id) const override { return sentencepiece_text(vocab_, id); }

 private:
  // The best spelling of the text up to a place: its last token, and where that begins.
  struct Best {
    double score = -std::numeric_limits<double>::infinity();
    std::size_t begin = 0;
    TokenId token = kNone;
  };
  static constexpr TokenId kNone = -1;

  void encode_word(std::string_view word, std::vector<Best>& best, std::vector<TokenId>& out) const {
    best.assign(word.size() + 1, {});
    best[0].score = 0;
    for (std::size_t at = 0; at < word.size();) {
      const double before = best[at].score;
      const auto offer = [&](std::size_t length, double score, TokenId token) {
        if (before + score > best[at + length].score) best[at + length] = {before + score, at, token};
      };
      const std::size_t character = utf8_step(word.substr(at)).length;
      bool spelled = false;
      tokens_.each_at(word, at, [&](const SpecialTokens::Match& match) {
        offer(match.length, scores_[static_cast<std::size_t>(match.id)], match.id);
        spelled |= match.length == character;
      });
      if (!spelled) offer(character, unknown_score_, kNone);
      at += character;
    }
    append(word, best, out);
  }

  // Walks back from the end of the word, so that all is appended the last first.
  void append(std::string_view word, const std::vector<Best>& best, std::vector<TokenId>& out) const {
    const std::size_t first = out.size();
    for (std::size_t end = word.size(); end > 0;) {
      std::size_t begin = best[end].begin;
      if (best[end].token != kNone) {
        out.push_back(best[end].token);
      } else {
        while (begin > 0 && best[begin].token == kNone) begin = best[begin].begin;
        const auto unspelled = static_cast<std::ptrdiff_t>(out.size());
        append_bytes(word.substr(begin, end - begin), byte_ids_, unknown_, out);
        std::reverse(out.begin() + unspelled, out.end());
      }
      end = begin;
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  }

  std::vector<float> scores_;
  std::array<TokenId, 256> byte_ids_;  // -1 where the vocabulary has none
  std::optional<TokenId> unknown_;
  WordRules rules_;
  SpecialTokens tokens_;
  double unknown_score_;
};

// GGUF's words for SentencePiece's normalization.
Result<WordRules> rules_in_gguf(const formats::Metadata& metadata) {
  const bool prefix = metadata.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  const bool merge_spaces = metadata.boolean("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  auto rules = word_rules_from_json(std::string(R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [)") +
                                    (merge_spaces ? R"({"type": "WhitespaceSplit"}, )" : "") +
                                    R"({"type": "Metaspace", "prepend_scheme": ")" + (prefix ? "always" : "never") + R"("}]}})");
  if (!rules) return rules;
  std::string charsmap;
  for (const auto byte : metadata.integers("tokenizer.ggml.precompiled_charsmap")) charsmap += static_cast<char>(byte);
  auto normalizer = Normalizer::charsmap(charsmap);
  if (!normalizer) return fail(normalizer.error());
  rules->normalizer = *std::move(normalizer);
  return rules;
}

Result<WordRules> rules_for(const formats::Metadata& metadata) {
  auto own = huggingface_rules(metadata);
  if (!own) return fail(own.error());
  return *own ? Result<WordRules>(*std::move(*own)) : rules_in_gguf(metadata);
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_unigram(const formats::Metadata& metadata) {
  auto vocabulary = Vocabulary::from_metadata(metadata, {.bos = {}, .eos = 1, .add_bos = false, .add_eos = true});
  if (!vocabulary) return fail(vocabulary.error());
  auto scores = token_scores(metadata, *vocabulary);
  if (!scores) return fail(scores.error());
  const auto byte_ids = byte_tokens(*vocabulary);
  if (!byte_ids) return fail(byte_ids.error());
  auto rules = rules_for(metadata);
  if (!rules) return fail(rules.error());
  auto unknown = vocabulary->special_id(metadata, "tokenizer.ggml.unknown_token_id");
  for (TokenId id = 0; id < vocabulary->size() && !unknown; ++id)
    if (vocabulary->kind(id) == TokenKind::kUnknown) unknown = id;
  return std::make_unique<const Unigram>(std::move(*vocabulary), *std::move(scores), *byte_ids, unknown, *std::move(rules));
}

}  // namespace mlxr::text
