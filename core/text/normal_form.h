// Unicode's normal forms (Unicode Standard Annex 15). Composed (C): "é" is one code point and not "e" and an accent; decomposed (D): the
// reverse. The compatible forms (KC, KD) also give up what is only looks: "ﬁ" becomes "fi", "²" becomes "2".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mlxr::text {

enum class NormalForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

// A quick test: true means that NFC changes nothing, because the text has no characters from U+0300 on.
bool plainly_nfc(std::string_view text);

// The text in a normal form. The text must be valid UTF-8.
std::string to_normal_form(std::string_view text, NormalForm form);

}  // namespace mlxr::text
