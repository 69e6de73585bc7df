#include "core/text/jinja/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>

#include "core/text/jinja/budget.h"

namespace mlxr::text::jinja {
namespace {

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
using Code = std::unique_ptr<pcre2_code, CodeFree>;
struct MatchFree {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

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

// Roman numerals and circled letters are numbers and symbols to Unicode, and have case all the same. PCRE2 leaves them as they are.
struct CasedSymbols {
  char32_t upper, lower, count;
};
constexpr CasedSymbols kCasedSymbols[] = {{0x2160, 0x2170, 16}, {0x24B6, 0x24D0, 26}};

std::string with_symbols_in_case(std::string_view s, char32_t CasedSymbols::* from, char32_t CasedSymbols::* to) {
  if (s.find('\xE2') == s.npos) return std::string(s);
  std::string out;
  each_character(s, [&](char32_t c, std::string_view bytes) {
    for (const auto& symbols : kCasedSymbols)
      if (c - symbols.*from < symbols.count) return append_utf8(out, symbols.*to + (c - symbols.*from));
    out += bytes;
  });
  return out;
}

template <typename Drop>
std::string_view strip_if(std::string_view s, Side side, Drop drop) {
  const std::size_t before = s.size();
  while (side != Side::kRight && !s.empty()) {
    const Character c = first_character(s);
    if (!drop(c.code)) break;
    s.remove_prefix(c.bytes.size());
  }
  while (side != Side::kLeft && !s.empty()) {
    std::size_t at = s.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
    if (!drop(first_character(s.substr(at)).code)) break;
    s.remove_suffix(s.size() - at);
  }
  touch(before - s.size());
  return s;
}

}  // namespace

Character first_character(std::string_view s) { return {utf8_code_point(s), s.substr(0, utf8_step(s).length)}; }

bool is_ascii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t count_code_points(std::string_view s) {
  touch(s.size());
  return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::u32string decode_utf8(std::string_view s) {
  touch(s.size());
  std::u32string out;
  out.reserve(s.size());
  each_character(s, [&](char32_t c, std::string_view) { out += c; });
  return out;
}

std::size_t bytes_of(std::string_view s, std::size_t n) {
  touch(std::min(s.size(), n));
  std::size_t at = 0;
  for (; n > 0 && at < s.size(); --n) at += utf8_step(s.substr(at)).length;
  return at;
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
  touch(s.size());
  if (!is_ascii(s)) return change_case(with_symbols_in_case(s, &CasedSymbols::lower, &CasedSymbols::upper), "\\U$0");
  std::string out(s);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string lower(std::string_view s) {
  touch(s.size());
  if (!is_ascii(s)) return change_case(with_symbols_in_case(s, &CasedSymbols::upper, &CasedSymbols::lower), "\\L$0");
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool all_of_class(std::string_view s, CharacterClass wanted) {
  touch(s.size());
  static const Code codes[] = {compile("^\\p{Nd}++\\z"),
                               compile("^[\\p{Nd}\\x{B2}\\x{B3}\\x{B9}\\x{2070}\\x{2074}-\\x{2079}\\x{2080}-\\x{2089}]++\\z"),
                               compile("^\\p{N}++\\z"),
                               compile("^\\p{L}++\\z"),
                               compile("^[\\p{L}\\p{N}]++\\z"),
                               compile("^[\\p{L}\\p{Nl}_\\x{2118}\\x{212E}\\x{309B}\\x{309C}]++\\z"),
                               compile("^[\\p{L}\\p{Nl}\\p{Mn}\\p{Mc}\\p{Nd}\\p{Pc}\\x{B7}\\x{387}\\x{1369}-\\x{1371}\\x{19DA}]++\\z")};
  const std::unique_ptr<pcre2_match_data, MatchFree> match(pcre2_match_data_create(1, nullptr));
  return pcre2_match(codes[static_cast<std::size_t>(wanted)].get(), reinterpret_cast<PCRE2_SPTR>(s.data()), s.size(), 0, PCRE2_NO_UTF_CHECK,
                     match.get(), nullptr) >= 0;
}

MarkedText with_origins_of(const MarkedText& s, std::string_view mapped) {
  return rewritten(s, [&](char32_t, std::string_view) {
    const std::string_view c = first_character(mapped).bytes;
    mapped.remove_prefix(c.size());
    return c;
  });
}

std::string_view strip(std::string_view s, Side side) { return strip_if(s, side, is_space); }

std::string_view strip(std::string_view s, Side side, std::string_view chars) {
  std::u32string set = decode_utf8(chars);
  std::ranges::sort(set);
  return strip_if(s, side, [&](char32_t c) { return std::ranges::binary_search(set, c); });
}

}  // namespace mlxr::text::jinja
