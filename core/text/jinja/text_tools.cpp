#include "core/text/jinja/text_tools.h"

#include <algorithm>
#include <charconv>

#include "core/text/jinja/budget.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/search.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

bool reached(std::size_t splits, std::int64_t most) { return most >= 0 && splits >= static_cast<std::size_t>(most); }

// Where the run of characters at the left or right end of s ends that are space, or that are not.
std::size_t run_length(std::string_view s, bool from_right, bool space) {
  std::size_t length = 0;
  while (length < s.size()) {
    std::size_t at = length;
    if (from_right) {
      at = s.size() - length - 1;
      while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
    }
    const Character c = first_character(s.substr(at));
    if (is_space(c.code) != space) break;
    length += c.bytes.size();
  }
  return length;
}

// Calls f(character, its upper case, its lower case), whose result takes the character's place.
template <typename F>
MarkedText with_case(const MarkedText& s, F f) {
  const std::string up = upper(s.bytes()), low = lower(s.bytes());
  std::string_view up_rest = up, low_rest = low;
  return rewritten(s, [&](char32_t, std::string_view bytes) {
    const std::string_view u = first_character(up_rest).bytes, l = first_character(low_rest).bytes;
    up_rest.remove_prefix(u.size());
    low_rest.remove_prefix(l.size());
    return f(bytes, u, l);
  });
}

}  // namespace

std::vector<Value> split_space(const MarkedText& s, std::int64_t most, bool from_right) {
  touch(s.size());
  std::vector<Value> out;
  std::string_view rest = s.bytes();
  const auto cut = [&](std::size_t n) {
    const std::string_view piece = from_right ? rest.substr(rest.size() - n) : rest.substr(0, n);
    from_right ? rest.remove_suffix(n) : rest.remove_prefix(n);
    return piece;
  };
  for (cut(run_length(rest, from_right, true)); !rest.empty(); cut(run_length(rest, from_right, true))) {
    const std::size_t n = reached(out.size(), most) ? rest.size() : run_length(rest, from_right, false);
    out.emplace_back(s.part(cut(n)));
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Value> split_text(const MarkedText& s, std::string_view separator, std::int64_t most, bool from_right) {
  if (separator.empty()) raise("empty separator");
  const Searcher searcher(separator);
  std::vector<Value> out;
  std::string_view rest = s.bytes();
  while (!reached(out.size(), most)) {
    const std::size_t at = from_right ? searcher.last_in(rest) : searcher.first_in(rest);
    if (at == std::string_view::npos) break;
    const std::string_view left = rest.substr(0, at), right = rest.substr(at + separator.size());
    out.emplace_back(s.part(from_right ? right : left));
    rest = from_right ? left : right;
  }
  out.emplace_back(s.part(rest));
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Value> partition_text(const MarkedText& s, const MarkedText& separator, bool from_right) {
  if (separator.empty()) raise("empty separator");
  const Searcher searcher(separator.bytes());
  const std::string_view all = s.bytes();
  const std::size_t at = from_right ? searcher.last_in(all) : searcher.first_in(all);
  if (at == std::string_view::npos) return from_right ? std::vector<Value>{"", "", Value(s)} : std::vector<Value>{Value(s), "", ""};
  return {Value(s.part(all.substr(0, at))), Value(separator), Value(s.part(all.substr(at + separator.size())))};
}

std::vector<Value> split_lines(const MarkedText& s, bool keep_ends) {
  touch(s.size());
  std::vector<Value> out;
  const auto ends_line = [](char32_t c) {
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  for (std::string_view rest = s.bytes(); !rest.empty();) {
    std::size_t end = 0, next = 0;  // of the line, and of what ends it
    while (next == end && end < rest.size()) {
      const Character c = first_character(rest.substr(end));
      next = end + c.bytes.size();
      if (!ends_line(c.code)) end = next;
    }
    if (rest.substr(end).starts_with("\r\n")) next = end + 2;
    next = std::max(next, end);
    out.emplace_back(s.part(rest.substr(0, keep_ends ? next : end)));
    rest.remove_prefix(next);
  }
  return out;
}

MarkedText replace_text(const MarkedText& s, std::string_view old, const MarkedText& with, std::int64_t most) {
  MarkedText out;
  std::size_t done = 0;
  const auto put = [&] {
    out += with;
    if ((done++ & 63) == 0) ensure_room(out.size());
  };
  if (old.empty()) {
    each_character(s.bytes(), [&](char32_t, std::string_view bytes) {
      if (!reached(done, most)) put();
      out.append_part(s, bytes);
    });
    if (!reached(done, most)) put();
    return out;
  }
  const Searcher searcher(old);
  std::string_view rest = s.bytes();
  while (!reached(done, most)) {
    const std::size_t at = searcher.first_in(rest);
    if (at == std::string_view::npos) break;
    out.append_part(s, rest.substr(0, at));
    put();
    rest.remove_prefix(at + old.size());
  }
  out.append_part(s, rest);
  return out;
}

std::size_t count_text(std::string_view s, std::string_view what) {
  if (what.empty()) return count_code_points(s) + 1;
  const Searcher searcher(what);
  std::size_t n = 0;
  for (std::size_t at = searcher.first_in(s); at != std::string_view::npos; at = searcher.first_in(s, at + what.size())) ++n;
  return n;
}

MarkedText upper_case(const MarkedText& s) { return with_origins_of(s, upper(s.bytes())); }
MarkedText lower_case(const MarkedText& s) { return with_origins_of(s, lower(s.bytes())); }

MarkedText title_case(const MarkedText& s) {
  bool inside = false;
  return with_case(s, [&](std::string_view c, std::string_view up, std::string_view low) {
    const bool cased = up != low;
    return !std::exchange(inside, cased) ? (cased ? up : c) : (cased ? low : c);
  });
}

MarkedText capitalize(const MarkedText& s) {
  bool first = true;
  return with_case(s, [&](std::string_view, std::string_view up, std::string_view low) { return std::exchange(first, false) ? up : low; });
}

MarkedText swap_case(const MarkedText& s) {
  return with_case(s, [](std::string_view c, std::string_view up, std::string_view low) { return up == c ? low : up; });
}

bool has_cased(std::string_view s) { return upper(s) != lower(s); }

MarkedText pad_text(const MarkedText& s, std::int64_t width, std::string_view method, std::string_view fill) {
  const std::size_t have = count_code_points(s.bytes());
  if (width <= static_cast<std::int64_t>(have)) return s;
  if (count_code_points(fill) != 1) raise("the fill character must be exactly one character long");
  const std::size_t pad = static_cast<std::size_t>(width) - have;
  ensure_room(static_cast<std::size_t>(width));
  if (method == "zfill") {
    const std::string_view all = s.bytes();
    const std::size_t sign = all.starts_with('-') || all.starts_with('+') ? 1 : 0;
    MarkedText out = s.part(all.substr(0, sign));
    out += std::string(pad, '0');
    out.append_part(s, all.substr(sign));
    return out;
  }
  const std::size_t left = method == "ljust" ? 0 : method == "rjust" ? pad : pad / 2 + (pad & static_cast<std::size_t>(width) & 1);
  MarkedText out;
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += s;
  for (std::size_t i = left; i < pad; ++i) out += fill;
  return out;
}

MarkedText brace_format(const MarkedText& text, const Arguments& arguments) {
  const std::string_view s = text.bytes();
  MarkedText out;
  std::size_t automatic = 0;
  bool numbered = false;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if ((s[i] == '{' || s[i] == '}') && i + 1 < s.size() && s[i + 1] == s[i]) {
      out.append_part(text, s.substr(i++, 1));
      continue;
    }
    if (s[i] == '}') raise("Single '}' encountered in format string");
    if (s[i] != '{') {
      out.append_part(text, s.substr(i, 1));
      continue;
    }
    const std::size_t close = s.find('}', i);
    if (close == std::string_view::npos) raise("Single '{' encountered in format string");
    std::string_view field = s.substr(i + 1, close - i - 1);
    i = close;
    const bool repr = field.ends_with("!r");
    if (repr || field.ends_with("!s")) field.remove_suffix(2);
    if (field.find_first_of(":.[!") != std::string_view::npos) raise_limit("format() with a specification: {" + std::string(field) + "}");
    const Value* v = nullptr;
    std::size_t index = automatic;
    const bool is_number =
        !field.empty() && std::from_chars(field.data(), field.data() + field.size(), index).ptr == field.data() + field.size();
    if (field.empty() || is_number) {
      if (field.empty() ? numbered : automatic > 0) raise("a format numbers either all of its fields or none");
      numbered |= is_number;
      automatic += field.empty();
      if (index < arguments.positional.size()) v = &arguments.positional[index];
    } else {
      for (const auto& [key, value] : arguments.named)
        if (key == field) v = &value;
    }
    if (v == nullptr) raise("format() has no argument for {" + std::string(field) + "}");
    out += repr ? v->repr() : v->print();
    ensure_room(out.size());
  }
  return out;
}

}  // namespace mlxr::text::jinja
