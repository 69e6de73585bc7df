// UTF-8 text as Python's str sees it: code points, whitespace, case. Every string here is valid UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/text/jinja/budget.h"
#include "core/text/marked_text.h"
#include "core/text/utf8.h"

namespace mlxr::text::jinja {

// The first character of a text that is not empty, and the bytes that spell it.
struct Character {
  char32_t code;
  std::string_view bytes;
};
Character first_character(std::string_view s);

// Calls f(code point, its bytes as a view into s) for every character.
template <typename F>
void each_character(std::string_view s, F f) {
  while (!s.empty()) {
    const Character c = first_character(s);
    f(c.code, c.bytes);
    s.remove_prefix(c.bytes.size());
  }
}

// The text with each character replaced by what f(code point, its bytes) returns, which has the origin of the character.
template <typename F>
MarkedText rewritten(const MarkedText& text, F f) {
  touch(text.size());
  MarkedText out;
  each_character(text.bytes(), [&](char32_t code, std::string_view bytes) {
    const auto at = static_cast<std::size_t>(bytes.data() - text.bytes().data());
    out.append(f(code, bytes), text.origin_at(at));
  });
  return out;
}

bool is_ascii(std::string_view s);
std::size_t count_code_points(std::string_view s);
std::u32string decode_utf8(std::string_view s);
std::string encode_utf8(std::u32string_view s);
bool is_space(char32_t c);

// Bytes of the first n characters; all of s when it has fewer.
std::size_t bytes_of(std::string_view s, std::size_t n);

// Case mappings keep the number of characters: a character whose mapping would change it ('ß'.upper()) stays as it is.
std::string upper(std::string_view s);
std::string lower(std::string_view s);

// The character classes of str.isalpha() and its relatives, by Unicode's general categories.
enum class CharacterClass { kDecimal, kDigit, kNumeric, kLetter, kAlphanumeric, kNameStart, kNamePart };
bool all_of_class(std::string_view s, CharacterClass wanted);  // false for an empty text

// `mapped` is s with its case changed: the same number of characters. Its characters get the origins of those of s.
MarkedText with_origins_of(const MarkedText& s, std::string_view mapped);

// Without the whitespace, or the characters of `chars`, at its ends. A view into s.
enum class Side { kLeft, kRight, kBoth };
std::string_view strip(std::string_view s, Side side);
std::string_view strip(std::string_view s, Side side, std::string_view chars);

}  // namespace mlxr::text::jinja
