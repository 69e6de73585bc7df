// Unicode's composed normal form, NFC (Unicode Standard Annex 15): the one way to write "é", out of the two.
#pragma once

#include <string>
#include <string_view>

namespace mlxr::text {

// Whether to_nfc() would change nothing for sure, which is quick to find out: true for text without characters from U+0300 on.
bool plainly_nfc(std::string_view text);

// The text in NFC. The text must be valid UTF-8.
std::string to_nfc(std::string_view text);

}  // namespace mlxr::text
