// SentencePiece's compiled normalization: a double-array trie of texts, and what replaces each of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/text/regex.h"

namespace mlxr::text {

// Immutable; safe from any thread.
class Charsmap {
 public:
  // `bytes` as SentencePiece writes them (`precompiled_charsmap`): the size of the trie, the trie, the replacements. Empty bytes are a map
  // that changes nothing. Errors: kCorrupt.
  static Result<Charsmap> parse(std::string_view bytes);

  // The text (valid UTF-8) with its characters replaced, as Hugging Face `tokenizers` does: a character with its marks that is shorter than
  // 6 bytes as a whole where the map has it, otherwise each code point by itself.
  std::string apply(std::string_view text) const;

 private:
  Charsmap(std::vector<std::uint32_t> trie, std::string replacements, Regex grapheme)
      : trie_(std::move(trie)), replacements_(std::move(replacements)), grapheme_(std::move(grapheme)) {}
  // What replaces the shortest text of the map that `text` begins with.
  std::optional<std::string_view> replacement(std::string_view text) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;  // each ends with a zero byte
  Regex grapheme_;
};

}  // namespace mlxr::text
