// Unicode's composed normal form, NFC (Unicode Standard Annex 15): "é" as one code point and not as "e" and an accent.
#pragma once

#include <string>
#include <string_view>

namespace mlxr::text {

// A quick test: true means that to_nfc() changes nothing, because the text has no characters from U+0300 on.
bool plainly_nfc(std::string_view text);

// The text in NFC. The text must be valid UTF-8.
std::string to_nfc(std::string_view text);

}  // namespace mlxr::text
