// SentencePiece-style BPE ("llama"): spaces become "▁", the neighbours whose union has the best score merge first, and text without a
// token is spelled in byte tokens <0xXX>. Equal scores merge from left to right, as in SentencePiece.
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string>

#include "core/formats/printable.h"
#include "core/text/bpe_merges.h"
#include "core/text/tokenizer_vocabulary.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

constexpr std::string_view kSpace = "▁";

// A key that is smaller for a better score: the bits of the float, mapped so that unsigned comparison gives the reverse order.
std::uint32_t order_of(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score == 0 ? 0.0f : score);
  return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

std::string escape_spaces(std::string_view text, bool prefix) {
  std::string out;
  out.reserve(text.size() + text.size() / 2 + kSpace.size());
  if (prefix) out += kSpace;
  for (const char c : text) {
    if (c == ' ')
      out += kSpace;
    else
      out += c;
  }
  return out;
}

// The byte that "<0x0A>" names.
std::optional<std::uint8_t> byte_named(std::string_view text) {
  std::uint8_t byte = 0;
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, byte, 16);
  if (error != std::errc() || end != text.data() + 5) return std::nullopt;
  return byte;
}

class SentencePieceBpe final : public VocabularyTokenizer {
 public:
  SentencePieceBpe(Vocabulary vocabulary, std::vector<float> scores, std::array<TokenId, 256> byte_ids, std::optional<TokenId> unknown,
                   bool add_space_prefix)
      : VocabularyTokenizer(std::move(vocabulary)),
        scores_(std::move(scores)),
        byte_ids_(byte_ids),
        unknown_(unknown),
        add_space_prefix_(add_space_prefix) {
    for (const auto text : vocab_.texts()) longest_ = std::max(longest_, std::min(text.size(), kLongestSearched));
  }

 protected:
  void encode_plain(std::string_view text, bool after_special, std::vector<TokenId>& out) const override {
    const std::string escaped = escape_spaces(text, add_space_prefix_ && after_special);
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

  std::string plain_piece(TokenId id) const override {
    if (vocab_.kind(id) == TokenKind::kByte)
      if (const auto byte = byte_named(vocab_.text(id))) return {static_cast<char>(*byte)};
    std::string out;
    for (std::string_view rest = vocab_.text(id); !rest.empty();) {
      const bool space = rest.starts_with(kSpace);
      out += space ? ' ' : rest[0];
      rest.remove_prefix(space ? kSpace.size() : 1);
    }
    return out;
  }

 private:
  // The token for plain text. Text never becomes a control or byte token, even if it is spelled like one.
  TokenId mergeable(std::string_view text) const {
    const auto id = vocab_.find(text);
    return id && !vocab_.is_control(*id) && vocab_.kind(*id) != TokenKind::kByte ? *id : -1;
  }

  void append(const BpeSymbol& symbol, std::string_view text, std::vector<TokenId>& out) const {
    if (symbol.id >= 0) {
      out.push_back(symbol.id);
      return;
    }
    bool spelled = true;
    for (const char c : text.substr(symbol.begin, symbol.length)) spelled &= byte_ids_[static_cast<unsigned char>(c)] >= 0;
    if (spelled) {
      for (const char c : text.substr(symbol.begin, symbol.length)) out.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    } else if (unknown_) {
      out.push_back(*unknown_);
    }
  }

  std::vector<float> scores_;
  std::array<TokenId, 256> byte_ids_;  // -1 where the vocabulary has none
  std::optional<TokenId> unknown_;
  bool add_space_prefix_;
  std::size_t longest_ = 0;  // bytes of the longest token that is searched for
};

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_sentencepiece_bpe(const formats::Metadata& metadata) {
  auto vocabulary = Vocabulary::from_metadata(metadata, {.bos = 1, .eos = 2, .add_bos = true, .add_eos = false});
  if (!vocabulary) return fail(vocabulary.error());
  constexpr std::string_view kScores = "tokenizer.ggml.scores";
  const auto numbers = metadata.numbers(kScores);
  if (const auto* value = metadata.find(kScores); value && !numbers)
    return fail(ErrorCode::kUnsupported, "MLXR cannot read this model file: " + std::string(kScores) + " is " +
                                             std::string(formats::kind_of(*value)) + ", not a list of numbers.");
  auto scores = numbers.value_or(std::vector<float>());
  const auto count = static_cast<std::size_t>(vocabulary->size());
  if (scores.size() != count)
    return fail(ErrorCode::kCorrupt, "The model file is damaged: tokenizer.ggml.scores has " + std::to_string(scores.size()) +
                                         " numbers for " + std::to_string(count) + " tokens. Download it again.");
  const auto unknown = vocabulary->special_id(metadata, "tokenizer.ggml.unknown_token_id");

  std::array<TokenId, 256> byte_ids;
  byte_ids.fill(-1);
  for (TokenId id = 0; id < vocabulary->size(); ++id) {
    if (std::isnan(scores[static_cast<std::size_t>(id)]))
      return fail(ErrorCode::kCorrupt, "The model file is damaged: the score of token " + std::to_string(id) + " is not a number.");
    if (vocabulary->kind(id) != TokenKind::kByte) continue;
    const auto byte = byte_named(vocabulary->text(id));
    if (!byte)
      return fail(ErrorCode::kCorrupt, "The model file is damaged: byte token " + std::to_string(id) + " is named " +
                                           formats::printable(vocabulary->text(id)) + ", not <0x00> to <0xFF>. Download it again.");
    byte_ids[*byte] = id;
  }
  const bool add_space_prefix = metadata.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  return std::make_unique<const SentencePieceBpe>(std::move(*vocabulary), std::move(scores), byte_ids, unknown, add_space_prefix);
}

}  // namespace mlxr::text
