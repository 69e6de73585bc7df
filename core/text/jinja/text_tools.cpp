#include "core/text/jinja/text_tools.h"

#include <algorithm>
#include <charconv>

#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

bool reached(std::size_t splits, std::int64_t most) { return most >= 0 && splits >= static_cast<std::size_t>(most); }

template <typename Change>
std::string per_character(std::string_view s, Change change) {
  std::string out;
  for (char32_t c : decode_utf8(s)) {
    std::string one = encode_utf8({&c, 1});
    out += change(c, std::move(one));
  }
  return out;
}

}  // namespace

std::vector<Value> split_space(std::string_view s, std::int64_t most, bool from_right) {
  std::vector<Value> out;
  const std::u32string text = decode_utf8(s);
  std::u32string_view rest = text;
  const auto trim = [&] {
    if (from_right) {
      while (!rest.empty() && is_space(rest.back())) rest.remove_suffix(1);
    } else {
      while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
    }
  };
  for (trim(); !rest.empty(); trim()) {
    std::size_t n = 0;
    if (reached(out.size(), most)) {
      n = rest.size();
    } else {
      while (n < rest.size() && !is_space(from_right ? rest[rest.size() - 1 - n] : rest[n])) ++n;
    }
    const bool last = reached(out.size(), most);
    out.emplace_back(encode_utf8(from_right ? rest.substr(rest.size() - n) : rest.substr(0, n)));
    if (last) break;
    from_right ? rest.remove_suffix(n) : rest.remove_prefix(n);
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Value> split_text(std::string_view s, std::string_view separator, std::int64_t most, bool from_right) {
  if (separator.empty()) raise("empty separator");
  std::vector<Value> out;
  while (!reached(out.size(), most)) {
    const std::size_t at = from_right ? s.rfind(separator) : s.find(separator);
    if (at == std::string_view::npos) break;
    out.emplace_back(from_right ? s.substr(at + separator.size()) : s.substr(0, at));
    s = from_right ? s.substr(0, at) : s.substr(at + separator.size());
  }
  out.emplace_back(s);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Value> split_lines(std::string_view s, bool keep_ends) {
  std::vector<Value> out;
  const std::u32string text = decode_utf8(s);
  const auto ends_line = [](char32_t c) {
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && !ends_line(text[end])) ++end;
    std::size_t next = std::min(end + 1, text.size());
    if (end + 1 < text.size() && text[end] == '\r' && text[end + 1] == '\n') ++next;
    out.emplace_back(encode_utf8(std::u32string_view(text).substr(begin, (keep_ends ? next : end) - begin)));
    begin = next;
  }
  return out;
}

std::string replace_text(std::string_view s, std::string_view old, std::string_view with, std::int64_t most) {
  std::string out;
  std::size_t done = 0;
  const auto put = [&](std::string_view text) {
    out += text;
    if ((done & 63) == 0) ensure_room(out.size());
  };
  if (old.empty()) {
    for (char32_t c : decode_utf8(s)) {
      if (!reached(done, most)) {
        ++done;
        put(with);
      }
      append_utf8(out, c);
    }
    if (!reached(done, most)) put(with);
    return out;
  }
  for (std::size_t at = s.find(old); at != std::string_view::npos && !reached(done, most); at = s.find(old)) {
    ++done;
    put(s.substr(0, at));
    put(with);
    s.remove_prefix(at + old.size());
  }
  return out.append(s);
}

std::size_t count_text(std::string_view s, std::string_view what) {
  if (what.empty()) return count_code_points(s) + 1;
  std::size_t n = 0;
  for (std::size_t at = s.find(what); at != std::string_view::npos; at = s.find(what, at + what.size())) ++n;
  return n;
}

std::string title_case(std::string_view s) {
  bool inside = false;
  return per_character(s, [&](char32_t c, std::string one) {
    const bool cased = is_cased(c);
    std::string out = !cased ? one : inside ? lower(one) : upper(one);
    inside = cased;
    return out;
  });
}

std::string capitalize(std::string_view s) {
  bool first = true;
  return per_character(s, [&](char32_t, std::string one) { return std::exchange(first, false) ? upper(one) : lower(one); });
}

std::string swap_case(std::string_view s) {
  return per_character(s, [](char32_t, std::string one) { return upper(one) == one ? lower(one) : upper(one); });
}

std::string pad_text(std::string_view s, std::int64_t width, std::string_view method, std::string_view fill) {
  const std::size_t have = count_code_points(s);
  if (width <= static_cast<std::int64_t>(have)) return std::string(s);
  if (count_code_points(fill) != 1) raise("the fill character must be exactly one character long");
  const std::size_t pad = static_cast<std::size_t>(width) - have;
  ensure_room(static_cast<std::size_t>(width));
  if (method == "zfill") {
    const std::size_t sign = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
    return std::string(s.substr(0, sign)) + std::string(pad, '0') + std::string(s.substr(sign));
  }
  const std::size_t left = method == "ljust" ? 0 : method == "rjust" ? pad : pad / 2 + (pad & static_cast<std::size_t>(width) & 1);
  std::string out;
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += s;
  for (std::size_t i = left; i < pad; ++i) out += fill;
  return out;
}

std::string brace_format(std::string_view s, const Arguments& arguments) {
  std::string out;
  std::size_t automatic = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if ((s[i] == '{' || s[i] == '}') && i + 1 < s.size() && s[i + 1] == s[i]) {
      out += s[i++];
      continue;
    }
    if (s[i] == '}') raise("Single '}' encountered in format string");
    if (s[i] != '{') {
      out += s[i];
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
