// UTF-8 text as Python's str sees it: code points, whitespace, case.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mlxr::text::jinja {

bool valid_utf8(std::string_view s);
bool is_ascii(std::string_view s);
std::size_t count_code_points(std::string_view s);
std::u32string decode_utf8(std::string_view s);  // s is valid
std::string encode_utf8(std::u32string_view s);
void append_utf8(std::string& out, char32_t c);  // a surrogate or what is past U+10FFFF becomes U+FFFD
bool is_space(char32_t c);

std::string upper(std::string_view s);
std::string lower(std::string_view s);
bool is_cased(char32_t c);

// Without the whitespace, or the characters of `chars`, at its ends.
enum class Side { kLeft, kRight, kBoth };
std::string_view strip(std::string_view s, Side side);
std::string_view strip(std::string_view s, Side side, std::string_view chars);

}  // namespace mlxr::text::jinja
