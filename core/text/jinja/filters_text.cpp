// Filters that make or change one string or number.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "core/text/jinja/arithmetic.h"
#include "core/text/jinja/budget.h"
#include "core/text/jinja/builtins.h"
#include "core/text/jinja/json.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/text_tools.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

using In = Interpreter;

Value tojson(In&, const Value& v, const Arguments& args) {
  const Bound b("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = b.flag(0, false);
  if (!b.none(1)) {
    style.item_separator = ",";
    if (b[1]->string() != nullptr) {
      style.indent = *b[1]->string();
    } else {
      const std::int64_t width = b.integer(1, 0);
      if (width > 1000) raise_limit("tojson with an indent above 1000");
      style.indent = std::string(static_cast<std::size_t>(width > 0 ? width : 0), ' ');
    }
  }
  if (!b.none(2)) {
    const std::vector<Value> two = iterate(b[2]->require());
    if (two.size() != 2 || two[0].string() == nullptr || two[1].string() == nullptr) raise("tojson's separators are two strings");
    style.item_separator = *two[0].string();
    style.key_separator = *two[1].string();
  }
  style.sort_keys = b.flag(3, false);
  return Value(to_json(v, style));
}

Value trim(In&, const Value& v, const Arguments& args) {
  const Bound b("trim", args, {"chars"});
  const MarkedText s = v.print();
  return Value(s.part(b.none(0) ? strip(s.bytes(), Side::kBoth) : strip(s.bytes(), Side::kBoth, b.text(0, ""))));
}

Value replace(In&, const Value& v, const Arguments& args) {
  const Bound b("replace", args, {"old", "new", "count"}, 2);
  return Value(replace_text(v.print(), b.text(0, ""), b.marked_text(1, ""), b.none(2) ? -1 : b.integer(2, -1)));
}

MarkedText escaped(const MarkedText& s) {
  return rewritten(s, [](char32_t c, std::string_view bytes) -> std::string_view {
    switch (c) {
      case '&': return "&amp;";
      case '<': return "&lt;";
      case '>': return "&gt;";
      case '"': return "&#34;";
      case '\'': return "&#39;";
      default: return bytes;
    }
  });
}

Value indent(In&, const Value& v, const Arguments& args) {
  const Bound b("indent", args, {"width", "first", "blank"});
  MarkedText space;
  if (b[0] != nullptr && b[0]->text() != nullptr) {
    space = *b[0]->text();
  } else {
    const std::int64_t width = b.integer(0, 4);
    if (width > 10000) raise_limit("indent by more than 10000");
    space += std::string(static_cast<std::size_t>(width > 0 ? width : 0), ' ');
  }
  if (v.require().string() == nullptr) raise("indent needs a string, not " + std::string(v.type_name()));
  const bool blank = b.flag(2, false);
  MarkedText closed = *v.text();
  closed += '\n';  // a last, empty line counts
  const std::vector<Value> lines = split_lines(closed, false);
  MarkedText out = b.flag(1, false) ? space : MarkedText();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const MarkedText& line = *lines[i].text();
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !line.empty())) out += space;
    out += line;
    ensure_room(out.size());
  }
  return Value(std::move(out));
}

// Python's float(text), with the whitespace around it and the underscores within it that it allows.
std::optional<double> parse_float(std::string_view text) {
  std::string s(strip(text, Side::kBoth));
  std::erase(s, '_');
  std::string_view digits = s;
  if (digits.starts_with("+")) digits.remove_prefix(1);
  if (digits.starts_with("+-") || digits.empty()) return std::nullopt;
  const std::string word = lower(digits.starts_with("-") ? digits.substr(1) : digits);
  const double sign = s.starts_with("-") ? -1 : 1;
  if (word == "inf" || word == "infinity") return sign * INFINITY;
  if (word == "nan") return NAN;
  if (word.find_first_not_of("0123456789.e+-") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const std::string number(digits);
  const double d = std::strtod(number.c_str(), &end);  // the C locale: nothing here calls setlocale
  if (end != number.c_str() + number.size()) return std::nullopt;
  return d;
}

std::optional<std::int64_t> parse_int(std::string_view text, int base) {
  std::string s = lower(strip(text, Side::kBoth));
  std::erase(s, '_');
  const bool negative = s.starts_with("-");
  if (negative || s.starts_with("+")) s.erase(0, 1);
  const std::string_view prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
  if (!prefix.empty() && s.starts_with(prefix)) s.erase(0, 2);
  if (s.empty() || s[0] == '-') return std::nullopt;
  if (negative) s.insert(0, "-");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value, base);
  if (end != s.data() + s.size()) return std::nullopt;
  if (error != std::errc()) raise("an integer does not fit 64 bits");
  return value;
}

std::int64_t truncated(double d) {
  if (!(std::abs(d) < 9.2e18)) raise("an integer does not fit 64 bits");
  return static_cast<std::int64_t>(d);
}

Value to_int(In&, const Value& v, const Arguments& args) {
  const Bound b("int", args, {"default", "base"});
  const Value otherwise = b[0] == nullptr ? Value(0) : *b[0];
  if (v.require().is_integral()) return Value(v.integer());
  if (v.is_float()) return std::isfinite(v.real()) ? Value(truncated(v.real())) : otherwise;
  if (v.string() == nullptr) return otherwise;
  const std::int64_t base = b.integer(1, 10);
  if (base < 2 || base > 36) raise("int() base must be from 2 to 36");
  if (const auto i = parse_int(*v.string(), static_cast<int>(base))) return Value(*i);
  const auto d = parse_float(*v.string());
  return d && std::isfinite(*d) ? Value(truncated(*d)) : otherwise;
}

Value to_float(In&, const Value& v, const Arguments& args) {
  const Bound b("float", args, {"default"});
  if (v.require().is_number()) return Value(v.real());
  if (v.string() != nullptr)
    if (const auto d = parse_float(*v.string())) return Value(*d);
  return b[0] == nullptr ? Value(0.0) : *b[0];
}

Value absolute(In&, const Value& v, const Arguments&) {
  if (!v.require().is_number()) raise("bad operand type for abs(): '" + std::string(v.type_name()) + "'");
  if (v.is_float()) return Value(std::abs(v.real()));
  return v.integer() < 0 ? negate(v) : Value(v.integer());
}

Value round_number(In&, const Value& v, const Arguments& args) {
  const Bound b("round", args, {"precision", "method"});
  if (!v.require().is_number()) raise("round needs a number, not " + std::string(v.type_name()));
  const std::int64_t precision = b.integer(0, 0);
  const std::string method = b.text(1, "common");
  if (precision < -300 || precision > 300) raise_limit("round to more than 300 digits");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value(std::ceil(v.real() * scale) / scale);
  if (method == "floor") return Value(std::floor(v.real() * scale) / scale);
  if (method != "common") raise("round's method is common, ceil or floor");
  if (v.is_integral() && precision >= 0) return Value(v.integer());
  if (precision < 0) {
    const double rounded = std::nearbyint(v.real() * scale) / scale;
    return v.is_integral() ? Value(truncated(rounded)) : Value(rounded);
  }
  if (!std::isfinite(v.real())) return v;
  std::string digits(static_cast<std::size_t>(precision) + 400, '\0');
  std::snprintf(digits.data(), digits.size(), "%.*f", static_cast<int>(precision), v.real());
  return Value(std::strtod(digits.c_str(), nullptr));
}

Value format(In&, const Value& v, const Arguments& args) {
  if (!args.named.empty() && !args.positional.empty()) raise("format() takes either positional or keyword arguments");
  if (args.named.empty()) return Value(percent_format(v.print(), Value(args.positional, SequenceKind::kTuple)));
  Dict::Entries entries;
  for (const auto& [key, value] : args.named) entries.emplace_back(Value(key), value);
  return Value(percent_format(v.print(), Value(std::move(entries))));
}

Value truncate(In&, const Value& v, const Arguments& args) {
  const Bound b("truncate", args, {"length", "killwords", "end", "leeway"});
  MarkedText text = v.print();
  const MarkedText end = b.marked_text(2, "...");
  const auto characters = [](const MarkedText& t) { return static_cast<std::int64_t>(count_code_points(t.bytes())); };
  const std::int64_t most = b.integer(0, 255), leeway = b.none(3) ? 5 : b.integer(3, 5);
  if (most < characters(end) || leeway < 0) raise("truncate needs a length of at least its ending's, and no negative leeway");
  if (characters(text) - leeway <= most) return Value(std::move(text));
  text.truncate(bytes_of(text.bytes(), static_cast<std::size_t>(most - characters(end))));
  if (!b.flag(1, false)) text.truncate(std::min(text.bytes().rfind(' '), text.size()));
  text += end;
  return Value(std::move(text));
}

MarkedText title_filter(const MarkedText& text) {  // unlike str.title, a letter after an apostrophe stays small
  const std::string up = upper(text.bytes());
  std::string_view rest = up;
  bool starts = true;
  return rewritten(lower_case(text), [&](char32_t c, std::string_view low) {
    const std::string_view high = first_character(rest).bytes;
    rest.remove_prefix(high.size());
    return std::exchange(starts, is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<') ? high : low;
  });
}

std::int64_t word_count(std::string_view s) {
  touch(s.size());
  std::int64_t n = 0;
  bool inside = false;
  each_character(s, [&](char32_t, std::string_view c) {
    const bool word = c == "_" || all_of_class(c, CharacterClass::kAlphanumeric);
    n += word && !inside;
    inside = word;
  });
  return n;
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"tojson", tojson},
    {"trim", trim},
    {"replace", replace},
    {"indent", indent},
    {"int", to_int},
    {"float", to_float},
    {"abs", absolute},
    {"round", round_number},
    {"format", format},
    {"truncate", truncate},
    {"string", [](In&, const Value& v, const Arguments&) { return v.string() != nullptr ? v : Value(v.print()); }},
    {"safe", [](In&, const Value& v, const Arguments&) { return Value(v.print()); }},
    {"escape", [](In&, const Value& v, const Arguments&) { return Value(escaped(v.print())); }},
    {"e", [](In&, const Value& v, const Arguments&) { return Value(escaped(v.print())); }},
    {"upper", [](In&, const Value& v, const Arguments&) { return Value(upper_case(v.print())); }},
    {"lower", [](In&, const Value& v, const Arguments&) { return Value(lower_case(v.print())); }},
    {"title", [](In&, const Value& v, const Arguments&) { return Value(title_filter(v.print())); }},
    {"capitalize", [](In&, const Value& v, const Arguments&) { return Value(capitalize(v.print())); }},
    {"wordcount", [](In&, const Value& v, const Arguments&) { return Value(word_count(v.print().bytes())); }},
    {"center",
     [](In&, const Value& v, const Arguments& args) {
       return Value(pad_text(v.print(), Bound("center", args, {"width"}).integer(0, 80), "center", " "));
     }},
};

}  // namespace

Filter find_text_filter(std::string_view name) {
  for (const auto& [known, filter] : kFilters)
    if (known == name) return filter;
  return nullptr;
}

}  // namespace mlxr::text::jinja
