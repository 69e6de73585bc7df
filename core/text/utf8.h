// UTF-8 as the Unicode standard defines it (table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mlxr::text {

struct Utf8Step {
  enum Kind {
    kCharacter,   // a whole character
    kIncomplete,  // the start of a character; the text ends before it does
    kInvalid,     // can never become a character
  };
  Kind kind;
  std::size_t length;  // bytes; for kIncomplete and kInvalid the maximal subpart, which one U+FFFD replaces
};

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// Examines the start of `text`, which must not be empty.
Utf8Step utf8_step(std::string_view text);

// The code point of the character that `text`, which is valid and not empty, begins with.
char32_t utf8_code_point(std::string_view text);

// Appends a code point; a surrogate, or a number above U+10FFFF, becomes U+FFFD.
void append_utf8(std::string& out, char32_t code);

// True when `text` is valid from end to end.
bool utf8_valid(std::string_view text);

// `text` with U+FFFD for every maximal subpart that is not a character, as Python's bytes.decode("utf-8", "replace") does.
std::string utf8_repair(std::string_view text);

}  // namespace mlxr::text
