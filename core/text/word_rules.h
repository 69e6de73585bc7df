// How a text becomes the words in which a tokenizer looks for tokens, whatever its algorithm.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/normalizer.h"
#include "core/text/pretokenizer.h"

namespace mlxr::text {

// Spaces become a visible letter, which also marks the beginning of a word.
struct Metaspace {
  enum Prefix : std::uint8_t {
    kNever,
    kFirst,   // before the text's first word, at the start of the input
    kAlways,  // before every word
  };
  std::string letter = "▁";
  Prefix prefix = kAlways;  // where a letter is put before a word that does not begin with one
  bool split = true;        // a letter begins a new word
};

struct WordRules {
  Normalizer normalizer;
  Pretokenizer pretokenizer{{}};
  std::optional<Metaspace> metaspace;  // what becomes of the spaces that are left within words
  bool byte_level = false;             // words are spelled in GPT-2's alphabet of bytes
  bool add_prefix_space = false;       // a space is put before a text that does not begin with one
  bool ignore_merges = false;          // a word that is itself a token is not split, even if no merges lead to it

  // The text (valid UTF-8) before it is cut. Normalizers may leave nothing of it.
  std::string normal(std::string_view text) const;
  // The words of a text (valid UTF-8), none empty. `at_start`: nothing stands before the text.
  std::vector<std::string> words(std::string_view text, bool at_start) const;
};

}  // namespace mlxr::text
