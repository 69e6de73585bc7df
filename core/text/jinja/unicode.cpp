#include "core/text/jinja/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>

namespace mlxr::text::jinja {
namespace {

// Length of the sequence that a lead byte opens, 0 for a byte that opens none.
int sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

char32_t decode_at(std::string_view s, std::size_t at, int length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[at + i]); };
  if (length == 1) return byte(0);
  char32_t c = byte(0) & (0xFFu >> (length + 1));
  for (int i = 1; i < length; ++i) c = (c << 6) | (byte(static_cast<std::size_t>(i)) & 0x3Fu);
  return c;
}

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
using Code = std::unique_ptr<pcre2_code, CodeFree>;

Code compile(const char* pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  return Code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL, &error,
                            &offset, nullptr));
}

// PCRE2 carries Unicode's simple case mappings; its substitution forces case with \U and \L.
std::string change_case(std::string_view s, const char* replacement) {
  static const Code everything = compile("^.+");
  std::string out(s.size() * 2 + 16, '\0');  // simple mappings grow a character by at most one byte
  PCRE2_SIZE length = out.size();
  const int rc = pcre2_substitute(
      everything.get(), reinterpret_cast<PCRE2_SPTR>(s.data()), s.size(), 0, PCRE2_SUBSTITUTE_EXTENDED | PCRE2_NO_UTF_CHECK, nullptr,
      nullptr, reinterpret_cast<PCRE2_SPTR>(replacement), PCRE2_ZERO_TERMINATED, reinterpret_cast<PCRE2_UCHAR*>(out.data()), &length);
  if (rc < 0) return std::string(s);
  out.resize(length);
  return out;
}

template <typename Drop>
std::string_view strip_if(std::string_view s, Side side, Drop drop) {
  std::size_t begin = 0, end = s.size();
  while (side != Side::kRight && begin < end) {
    const int n = sequence_length(static_cast<unsigned char>(s[begin]));
    if (!drop(decode_at(s, begin, n))) break;
    begin += static_cast<std::size_t>(n);
  }
  while (side != Side::kLeft && end > begin) {
    std::size_t at = end - 1;
    while (at > begin && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
    if (!drop(decode_at(s, at, static_cast<int>(end - at)))) break;
    end = at;
  }
  return s.substr(begin, end - begin);
}

}  // namespace

bool valid_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const int n = sequence_length(static_cast<unsigned char>(s[i]));
    if (n == 0 || i + static_cast<std::size_t>(n) > s.size()) return false;
    for (int k = 1; k < n; ++k)
      if ((static_cast<unsigned char>(s[i + static_cast<std::size_t>(k)]) & 0xC0) != 0x80) return false;
    const char32_t c = decode_at(s, i, n);
    if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10FFFF)) || (c >= 0xD800 && c <= 0xDFFF)) return false;
    i += static_cast<std::size_t>(n);
  }
  return true;
}

bool is_ascii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t count_code_points(std::string_view s) {
  return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::u32string decode_utf8(std::string_view s) {
  std::u32string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size();) {
    const int n = sequence_length(static_cast<unsigned char>(s[i]));
    out += decode_at(s, i, n);
    i += static_cast<std::size_t>(n);
  }
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = 0xFFFD;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::string encode_utf8(std::u32string_view s) {
  std::string out;
  out.reserve(s.size());
  for (char32_t c : s) append_utf8(out, c);
  return out;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string upper(std::string_view s) {
  if (!is_ascii(s)) return change_case(s, "\\U$0");
  std::string out(s);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string lower(std::string_view s) {
  if (!is_ascii(s)) return change_case(s, "\\L$0");
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_cased(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const std::string s = encode_utf8({&c, 1});
  return upper(s) != s || lower(s) != s;
}

std::string_view strip(std::string_view s, Side side) { return strip_if(s, side, is_space); }

std::string_view strip(std::string_view s, Side side, std::string_view chars) {
  const std::u32string set = decode_utf8(chars);
  return strip_if(s, side, [&](char32_t c) { return set.find(c) != std::u32string::npos; });
}

}  // namespace mlxr::text::jinja
