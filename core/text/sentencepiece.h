// What the two algorithms of SentencePiece, BPE and unigram, share: scores, byte tokens, and the letter that stands for a space.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"
#include "core/text/tokenizer_vocabulary.h"

namespace mlxr::text {

inline constexpr std::string_view kSpaceLetter = "▁";

// The score of each token, none of them NaN. Errors: kCorrupt, kUnsupported (they are not numbers).
Result<std::vector<float>> token_scores(const formats::Metadata& metadata, const Vocabulary& vocabulary);

// The tokens that stand for bytes, by byte; -1 where the vocabulary has none. Errors: kCorrupt (a byte token that names no byte).
Result<std::array<TokenId, 256>> byte_tokens(const Vocabulary& vocabulary);

// Appends the tokens of a text that no token spells: those of its bytes where the vocabulary has them all, else the unknown one, if any.
void append_bytes(std::string_view text, const std::array<TokenId, 256>& byte_ids, std::optional<TokenId> unknown,
                  std::vector<TokenId>& out);

// The bytes that a token stands for.
std::string sentencepiece_text(const Vocabulary& vocabulary, TokenId id);

}  // namespace mlxr::text
