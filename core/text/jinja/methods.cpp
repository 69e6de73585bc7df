// The methods of str, dict and list, and what the sandbox lets a template reach of them.
#include <algorithm>

#include "core/text/jinja/budget.h"
#include "core/text/jinja/builtins.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/search.h"
#include "core/text/jinja/text_tools.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {

namespace {

using Names = std::initializer_list<std::string_view>;
bool one_of(std::string_view name, Names names) { return std::find(names.begin(), names.end(), name) != names.end(); }

const MarkedText& text_argument(const Bound& b, std::size_t i, std::string_view method) {
  if (b[i] == nullptr || b[i]->require().string() == nullptr)
    raise(std::string(method) + "() needs a string, not " + (b[i] ? b[i]->type_name() : "nothing"));
  return *b[i]->text();
}

const std::string& string_argument(const Bound& b, std::size_t i, std::string_view method) { return text_argument(b, i, method).bytes(); }

Value strip_method(const MarkedText& s, Side side, std::string_view name, const Arguments& args) {
  const Bound b(name, args, {"chars"});
  return Value(s.part(b.none(0) ? strip(s.bytes(), side) : strip(s.bytes(), side, string_argument(b, 0, name))));
}

// startswith and endswith take a string or a tuple of them.
Value affix_method(const std::string& s, std::string_view name, const Arguments& args) {
  const Bound b(name, args, {"affix"}, 1);
  const auto matches = [&](const Value& v) {
    if (v.require().string() == nullptr) raise(std::string(name) + "() needs a string or a tuple of strings, not " + v.type_name());
    return name == "startswith" ? s.starts_with(*v.string()) : s.ends_with(*v.string());
  };
  if (const List* l = b[0]->list(); l != nullptr && l->kind == SequenceKind::kTuple)
    return Value(std::any_of(l->items.begin(), l->items.end(), matches));
  return Value(matches(*b[0]));
}

Value find_in(const std::string& s, std::string_view name, const Arguments& args) {
  const Bound b(name, args, {"sub", "start", "end"}, 1);
  const std::string& needle = string_argument(b, 0, name);
  const auto size = static_cast<std::int64_t>(count_code_points(s));
  const auto clamp = [&](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  const std::int64_t start = b.none(1) ? 0 : b.integer(1, 0), end = clamp(b.none(2) ? size : b.integer(2, size));
  std::string_view part = s;
  const std::int64_t from = clamp(start);
  if (start > size || from > end) {
    part = {};
    if (name != "count" || !needle.empty() || start > size) return name == "count" ? Value(0) : Value(-1);
  }
  if (!part.empty()) {
    part.remove_prefix(bytes_of(part, static_cast<std::size_t>(from)));
    part = part.substr(0, bytes_of(part, static_cast<std::size_t>(end - from)));
  }
  if (name == "count") return Value(count_text(part, needle));
  const Searcher searcher(needle);
  const std::size_t at = name == "find" || name == "index" ? searcher.first_in(part) : searcher.last_in(part);
  if (at == std::string::npos) {
    if (name == "index" || name == "rindex") raise("substring not found");
    return Value(-1);
  }
  return Value(from + static_cast<std::int64_t>(count_code_points(part.substr(0, at))));
}

constexpr std::string_view kStringMethods[] = {
    "strip",    "lstrip",  "rstrip",  "split",     "rsplit",     "splitlines", "upper",      "lower",        "title",        "capitalize",
    "swapcase", "find",    "rfind",   "index",     "rindex",     "count",      "startswith", "endswith",     "replace",      "join",
    "format",   "isdigit", "isalpha", "isalnum",   "isspace",    "isupper",    "islower",    "removeprefix", "removesuffix", "zfill",
    "center",   "ljust",   "rjust",   "partition", "rpartition", "casefold",   "isnumeric",  "isdecimal"};

Value string_method(const MarkedText& text, std::string_view name, const Arguments& args) {
  const std::string& s = text.bytes();
  if (name == "strip") return strip_method(text, Side::kBoth, name, args);
  if (name == "lstrip") return strip_method(text, Side::kLeft, name, args);
  if (name == "rstrip") return strip_method(text, Side::kRight, name, args);
  if (name == "startswith" || name == "endswith") return affix_method(s, name, args);
  if (one_of(name, {"find", "rfind", "index", "rindex", "count"})) return find_in(s, name, args);
  if (name == "format") return Value(brace_format(text, args));
  if (name == "split" || name == "rsplit") {
    const Bound b(name, args, {"sep", "maxsplit"});
    const std::int64_t most = b.integer(1, -1);
    return Value(b.none(0) ? split_space(text, most, name == "rsplit")
                           : split_text(text, string_argument(b, 0, name), most, name == "rsplit"));
  }
  if (name == "splitlines") return Value(split_lines(text, Bound(name, args, {"keepends"}).flag(0, false)));
  if (name == "replace") {
    const Bound b(name, args, {"old", "new", "count"}, 2);
    return Value(replace_text(text, string_argument(b, 0, name), text_argument(b, 1, name), b.integer(2, -1)));
  }
  if (name == "join") {
    const Bound b(name, args, {"iterable"}, 1);
    MarkedText out;
    bool first = true;
    for (const Value& v : iterate(b[0]->require())) {
      if (v.string() == nullptr) raise("join() needs strings, found " + std::string(v.type_name()));
      if (!first) out += text;
      first = false;
      out += *v.text();
      ensure_room(out.size());
    }
    return Value(std::move(out));
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const Bound b(name, args, {"affix"}, 1);
    const std::string& affix = string_argument(b, 0, name);
    std::string_view rest = s;
    if (name == "removeprefix" && s.starts_with(affix)) rest.remove_prefix(affix.size());
    if (name == "removesuffix" && s.ends_with(affix)) rest.remove_suffix(affix.size());
    return Value(text.part(rest));
  }
  if (name == "zfill" || name == "center" || name == "ljust" || name == "rjust") {
    const Bound b(name, args, {"width", "fillchar"}, 1);
    return Value(pad_text(text, b.integer(0, 0), name, b.text(1, " ")));
  }
  if (name == "partition" || name == "rpartition") {
    const Bound b(name, args, {"sep"}, 1);
    return Value(partition_text(text, text_argument(b, 0, name), name == "rpartition"), SequenceKind::kTuple);
  }
  const Bound none(name, args, {});
  if (name == "upper") return Value(upper_case(text));
  if (name == "lower" || name == "casefold") return Value(lower_case(text));
  if (name == "title") return Value(title_case(text));
  if (name == "capitalize") return Value(capitalize(text));
  if (name == "swapcase") return Value(swap_case(text));
  if (name == "isspace") return Value(!s.empty() && strip(s, Side::kLeft).empty());
  if (name == "isdecimal") return Value(all_of_class(s, CharacterClass::kDecimal));
  if (name == "isdigit") return Value(all_of_class(s, CharacterClass::kDigit));
  if (name == "isnumeric") return Value(all_of_class(s, CharacterClass::kNumeric));
  if (name == "isalpha") return Value(all_of_class(s, CharacterClass::kLetter));
  if (name == "isalnum") return Value(all_of_class(s, CharacterClass::kAlphanumeric));
  return Value((name == "isupper" ? upper(s) : lower(s)) == s && has_cased(s));
}

Value dict_method(const Value& self, std::string_view name, const Arguments& args) {
  const Dict& dict = *self.dict();
  if (name == "get") {
    const Bound b(name, args, {"key", "default"}, 1);
    if (const Value* v = dict.find(*b[0])) return *v;
    return b[1] == nullptr ? Value(None{}) : *b[1];
  }
  const Bound none(name, args, {});
  if (name == "copy") return self;
  std::vector<Value> out;
  out.reserve(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    if (name == "items") {
      out.emplace_back(std::vector<Value>{key, value}, SequenceKind::kTuple);
    } else {
      out.push_back(name == "keys" ? key : value);
    }
  }
  return Value(std::move(out), name == "items" ? SequenceKind::kItems : name == "keys" ? SequenceKind::kKeys : SequenceKind::kValues);
}

Value list_method(const Value& self, std::string_view name, const Arguments& args) {
  if (name == "copy") return self;
  const Bound b(name, args, {"value"}, 1);
  const std::vector<Value>& items = self.list()->items;
  if (name == "count")
    return Value(static_cast<std::size_t>(std::count_if(items.begin(), items.end(), [&](const Value& v) { return equal(v, *b[0]); })));
  const auto at = std::find_if(items.begin(), items.end(), [&](const Value& v) { return equal(v, *b[0]); });
  if (at == items.end()) raise(b[0]->repr().bytes() + " is not in list");
  return Value(static_cast<std::size_t>(at - items.begin()));
}

}  // namespace

Method find_method(const Value& self, std::string_view name) {
  if (self.string() != nullptr)
    return std::find(std::begin(kStringMethods), std::end(kStringMethods), name) != std::end(kStringMethods) ? Method::kAllowed
                                                                                                             : Method::kNone;
  if (self.dict() != nullptr) {
    if (one_of(name, {"items", "keys", "values", "get", "copy"})) return Method::kAllowed;
    return one_of(name, {"clear", "pop", "popitem", "setdefault", "update"}) ? Method::kRefused : Method::kNone;
  }
  if (const List* list = self.list(); list != nullptr && list->kind <= SequenceKind::kRange) {
    const bool is_list = list->kind == SequenceKind::kList;
    if (one_of(name, {"index", "count"}) || (is_list && name == "copy")) return Method::kAllowed;
    return is_list && one_of(name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"}) ? Method::kRefused
                                                                                                                : Method::kNone;
  }
  return self.object() != nullptr && has_object_method(*self.object(), name) ? Method::kAllowed : Method::kNone;
}

Value call_method(Interpreter&, const Value& self, std::string_view name, const Arguments& args) {
  if (const MarkedText* s = self.text()) return string_method(*s, name, args);
  if (self.dict() != nullptr) return dict_method(self, name, args);
  if (self.list() != nullptr) return list_method(self, name, args);
  return call_object_method(*self.object(), name, args);
}

}  // namespace mlxr::text::jinja
