#include "core/text/sentencepiece.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/formats/printable.h"

namespace mlxr::text {
namespace {

// The byte that "<0x0A>" names.
std::optional<std::uint8_t> byte_named(std::string_view text) {
  std::uint8_t byte = 0;
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, byte, 16);
  if (error != std::errc() || end != text.data() + 5) return std::nullopt;
  return byte;
}

}  // namespace

Result<std::vector<float>> token_scores(const formats::Metadata& metadata, const Vocabulary& vocabulary) {
  constexpr std::string_view kScores = "tokenizer.ggml.scores";
  const auto numbers = metadata.numbers(kScores);
  if (const auto* value = metadata.find(kScores); value && !numbers)
    return fail(ErrorCode::kUnsupported, "MLXR cannot read this model file: " + std::string(kScores) + " is " +
                                             std::string(formats::kind_of(*value)) + ", not a list of numbers.");
  auto scores = numbers.value_or(std::vector<float>());
  if (scores.size() != static_cast<std::size_t>(vocabulary.size()))
    return fail(ErrorCode::kCorrupt, "The model file is damaged: tokenizer.ggml.scores has " + std::to_string(scores.size()) +
                                         " numbers for " + std::to_string(vocabulary.size()) + " tokens. Download it again.");
  for (std::size_t id = 0; id < scores.size(); ++id)
    if (std::isnan(scores[id]))
      return fail(ErrorCode::kCorrupt, "The model file is damaged: the score of token " + std::to_string(id) + " is not a number.");
  return scores;
}

Result<std::array<TokenId, 256>> byte_tokens(const Vocabulary& vocabulary) {
  std::array<TokenId, 256> ids;
  ids.fill(-1);
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.kind(id) != TokenKind::kByte) continue;
    const auto byte = byte_named(vocabulary.text(id));
    if (!byte)
      return fail(ErrorCode::kCorrupt, "The model file is damaged: byte token " + std::to_string(id) + " is named " +
                                           formats::printable(vocabulary.text(id)) + ", not <0x00> to <0xFF>. Download it again.");
    ids[*byte] = id;
  }
  return ids;
}

void append_bytes(std::string_view text, const std::array<TokenId, 256>& byte_ids, std::optional<TokenId> unknown,
                  std::vector<TokenId>& out) {
  const auto id_of = [&](char c) { return byte_ids[static_cast<unsigned char>(c)]; };
  if (std::ranges::all_of(text, [&](char c) { return id_of(c) >= 0; })) {
    for (const char c : text) out.push_back(id_of(c));
  } else if (unknown) {
    out.push_back(*unknown);
  }
}

std::string sentencepiece_text(const Vocabulary& vocabulary, TokenId id) {
  if (vocabulary.kind(id) == TokenKind::kByte)
    if (const auto byte = byte_named(vocabulary.text(id))) return {static_cast<char>(*byte)};
  std::string out;
  for (std::string_view rest = vocabulary.text(id); !rest.empty();) {
    const bool space = rest.starts_with(kSpaceLetter);
    out += space ? ' ' : rest[0];
    rest.remove_prefix(space ? kSpaceLetter.size() : 1);
  }
  return out;
}

}  // namespace mlxr::text
