// Filters that take or make sequences.
#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "core/text/jinja/arithmetic.h"
#include "core/text/jinja/builtins.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

using In = Interpreter;

// "a.b.0": the attribute of an attribute; names of digits are indices.
Value dig(In& in, Value v, const Value& path) {
  if (path.string() == nullptr) return in.item(v, path);
  std::string_view rest = *path.string();
  for (;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    std::int64_t index = 0;
    const bool number = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos &&
                        std::from_chars(name.data(), name.data() + name.size(), index).ec == std::errc();
    v = in.item(v, number ? Value(index) : Value(name));
    if (dot == std::string_view::npos) return v;
    rest.remove_prefix(dot + 1);
  }
}

Value folded(const Value& v, bool case_sensitive) { return v.string() != nullptr && !case_sensitive ? Value(lower(*v.string())) : v; }

// The value that sorting, grouping and comparing look at.
struct Key {
  const Value* attribute;
  bool case_sensitive;
  const Value* otherwise = nullptr;
  Value operator()(In& in, const Value& v) const {
    Value key = attribute == nullptr || attribute->is_none() ? v : dig(in, v, *attribute);
    if (key.is_undefined() && otherwise != nullptr) key = *otherwise;
    return folded(key, case_sensitive);
  }
};

// Sorts by one key for each item.
std::vector<Value> sorted(In& in, std::vector<Value> items, bool reverse, const auto& key_of) {
  std::vector<std::pair<Value, Value>> keyed;
  keyed.reserve(items.size());
  for (Value& v : items) {
    in.spend(1);
    keyed.emplace_back(key_of(v), std::move(v));
  }
  const auto before = [](const auto& a, const auto& b) { return compare(a.first, b.first, "<") < 0; };
  if (reverse) {
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) { return before(b, a); });
  } else {
    std::stable_sort(keyed.begin(), keyed.end(), before);
  }
  std::vector<Value> out;
  for (auto& [key, v] : keyed) out.push_back(std::move(v));
  return out;
}

Value sort(In& in, const Value& v, const Arguments& args) {
  const Bound b("sort", args, {"reverse", "case_sensitive", "attribute"});
  std::vector<Value> attributes;
  if (!b.none(2)) {
    std::string_view rest = b[2]->string() != nullptr ? std::string_view(*b[2]->string()) : "";
    if (b[2]->string() == nullptr) attributes.push_back(*b[2]);
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      attributes.emplace_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  const bool case_sensitive = b.flag(1, false);
  return Value(sorted(in, iterate(v), b.flag(0, false), [&](const Value& item) {
    std::vector<Value> keys;  // a list, as in jinja2: equal items need no order of their own
    for (const Value& a : attributes) keys.push_back(Key{&a, case_sensitive}(in, item));
    if (attributes.empty()) keys.push_back(folded(item, case_sensitive));
    return Value(std::move(keys));
  }));
}

Value dictsort(In& in, const Value& v, const Arguments& args) {
  const Bound b("dictsort", args, {"case_sensitive", "by", "reverse"});
  if (v.require().dict() == nullptr) raise("dictsort needs a dict, not " + std::string(v.type_name()));
  const std::string by = b.text(1, "key");
  if (by != "key" && by != "value") raise("dictsort sorts by 'key' or 'value'");
  std::vector<Value> pairs;
  for (const auto& [key, value] : v.dict()->entries) pairs.emplace_back(std::vector<Value>{key, value}, SequenceKind::kTuple);
  return Value(sorted(in, std::move(pairs), b.flag(2, false),
                      [&](const Value& pair) { return folded(pair.list()->items[by == "key" ? 0 : 1], b.flag(0, false)); }));
}

Value groupby(In& in, const Value& v, const Arguments& args) {
  const Bound b("groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const Key key{b[0], b.flag(2, false), b[1]};
  const Key plain{b[0], true, b[1]};
  std::vector<Value> out, group;
  const std::vector<Value> items = sorted(in, iterate(v), false, [&](const Value& item) { return key(in, item); });
  for (std::size_t i = 0; i < items.size(); ++i) {
    group.push_back(items[i]);
    if (i + 1 < items.size() && equal(key(in, items[i]), key(in, items[i + 1]))) continue;
    const Value name = plain(in, group.front());
    out.emplace_back(std::vector<Value>{name, Value(std::exchange(group, {}))}, SequenceKind::kTuple);
  }
  return Value(std::move(out));
}

Value unique(In& in, const Value& v, const Arguments& args) {
  const Bound b("unique", args, {"case_sensitive", "attribute"});
  const Key key{b[1], b.flag(0, false)};
  std::unordered_set<std::string> seen;
  std::vector<Value> out;
  for (const Value& item : iterate(v)) {
    in.spend(1);
    if (seen.insert(hash_key(key(in, item))).second) out.push_back(item);
  }
  return Value(std::move(out), SequenceKind::kGenerator);
}

template <bool kMax>
Value extreme(In& in, const Value& v, const Arguments& args) {
  const Bound b("min", args, {"case_sensitive", "attribute"});
  const Key key{b[1], b.flag(0, false)};
  const std::vector<Value> items = iterate(v);
  if (items.empty()) return Value::undefined("no aggregated item, the sequence was empty");
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    const auto order = compare(key(in, items[i]), key(in, items[best]), kMax ? ">" : "<");
    if (kMax ? order > 0 : order < 0) best = i;
  }
  return items[best];
}

Value sum(In& in, const Value& v, const Arguments& args) {
  const Bound b("sum", args, {"attribute", "start"});
  Value total = b[1] == nullptr ? Value(0) : *b[1];
  if (total.string() != nullptr) raise("sum() can't sum strings");
  for (const Value& item : iterate(v)) {
    in.spend(1);
    total = arithmetic("+", total, b.none(0) ? item : dig(in, item, *b[0]));
  }
  return total;
}

Value join(In& in, const Value& v, const Arguments& args) {
  const Bound b("join", args, {"d", "attribute"});
  const MarkedText separator = b.marked_text(0, "");
  MarkedText out;
  bool first = true;
  for (const Value& item : iterate(v)) {
    if (!first) out += separator;
    first = false;
    out += (b.none(1) ? item : dig(in, item, *b[1])).print();
    ensure_room(out.size());
  }
  return Value(std::move(out));
}

Arguments without_first(const Arguments& args, std::size_t n) {
  Arguments rest;
  rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(std::min(n, args.positional.size())), args.positional.end());
  rest.named = args.named;
  return rest;
}

// The items that map and select visit: none if the input is false, because jinja2 tests the input before it iterates.
std::vector<Value> items_if_any(const Value& v) { return v.truthy() ? iterate(v) : std::vector<Value>(); }

Value map(In& in, const Value& v, const Arguments& args) {
  std::vector<Value> out;
  if (args.positional.empty()) {
    const Bound b("map", args, {"attribute", "default"}, 1);
    for (const Value& item : items_if_any(v)) {
      in.spend(1);
      Value found = dig(in, item, *b[0]);
      out.push_back(found.is_undefined() && b[1] != nullptr ? *b[1] : std::move(found));
    }
  } else {
    if (args.positional[0].string() == nullptr) raise("map needs the name of a filter");
    const Arguments rest = without_first(args, 1);
    for (const Value& item : items_if_any(v)) {
      in.spend(1);
      out.push_back(in.filter(*args.positional[0].string(), item, rest));
    }
  }
  return Value(std::move(out), SequenceKind::kGenerator);
}

// select, reject and, with an attribute's name first, selectattr and rejectattr.
template <bool kKeep, bool kAttribute>
Value choose(In& in, const Value& v, const Arguments& args) {
  const std::size_t used = kAttribute ? 1 : 0;
  if (args.positional.size() < used) raise("missing the name of the attribute");
  const std::string* test = nullptr;
  if (args.positional.size() > used) {
    test = args.positional[used].string();
    if (test == nullptr) raise("the name of a test is a string");
  }
  const Arguments rest = without_first(args, used + 1);
  std::vector<Value> out;
  for (const Value& item : items_if_any(v)) {
    in.spend(1);
    const Value subject = kAttribute ? dig(in, item, args.positional[0]) : item;
    if ((test == nullptr ? subject.truthy() : in.test(*test, subject, rest)) == kKeep) out.push_back(item);
  }
  return Value(std::move(out), SequenceKind::kGenerator);
}

Value first(In&, const Value& v, const Arguments&) {
  const std::vector<Value> items = iterate(v);
  return items.empty() ? Value::undefined("no first item, the sequence was empty") : items.front();
}

Value last(In&, const Value& v, const Arguments&) {
  const List* list = v.list();
  if (list != nullptr && list->kind == SequenceKind::kGenerator) raise("'generator' object is not reversible");
  const std::vector<Value> items = iterate(v);
  return items.empty() ? Value::undefined("no last item, the sequence was empty") : items.back();
}

Value reverse(In&, const Value& v, const Arguments&) {
  if (const MarkedText* s = v.text()) {
    std::vector<std::string_view> characters;
    ensure_room(s->size() * 2 * sizeof(std::string_view));
    each_character(s->bytes(), [&](char32_t, std::string_view bytes) { characters.push_back(bytes); });
    MarkedText out;
    for (auto c = characters.rbegin(); c != characters.rend(); ++c) out.append_part(*s, *c);
    return Value(std::move(out));
  }
  std::vector<Value> items = iterate(v);
  std::reverse(items.begin(), items.end());
  return Value(std::move(items), SequenceKind::kGenerator);
}

Value batch(In&, const Value& v, const Arguments& args) {
  const Bound b("batch", args, {"linecount", "fill_with"}, 1);
  const std::int64_t size = b.integer(0, 1);
  if (size < 1 || size > 100000) raise("batch needs a size from 1 to 100000");
  std::vector<Value> out, row;
  for (const Value& item : iterate(v)) {
    if (row.size() == static_cast<std::size_t>(size)) out.emplace_back(std::exchange(row, {}));
    row.push_back(item);
  }
  if (!row.empty() && !b.none(1)) row.resize(static_cast<std::size_t>(size), *b[1]);
  if (!row.empty()) out.emplace_back(std::move(row));
  return Value(std::move(out), SequenceKind::kGenerator);
}

Value items_of(In&, const Value& v, const Arguments&) {
  std::vector<Value> out;
  if (!v.is_undefined()) {
    if (v.dict() == nullptr) raise("Can only get item pairs from a mapping.");
    for (const auto& [key, value] : v.dict()->entries) out.emplace_back(std::vector<Value>{key, value}, SequenceKind::kTuple);
  }
  return Value(std::move(out), SequenceKind::kGenerator);
}

Value otherwise(In&, const Value& v, const Arguments& args) {
  const Bound b("default", args, {"default_value", "boolean"});
  if (!v.is_undefined() && !(b.flag(1, false) && !v.truthy())) return v;
  return b[0] == nullptr ? Value("") : *b[0];
}

Value attr(In& in, const Value& v, const Arguments& args) {
  const Bound b("attr", args, {"name"}, 1);
  // only what Python's getattr finds, never a key of a dict
  if (v.dict() != nullptr && find_method(v, b.text(0, "")) == Method::kNone)
    return Value::undefined(v.describe() + " has no attribute " + b[0]->repr().bytes());
  return in.attribute(v, b.text(0, ""));
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"length", [](In&, const Value& v, const Arguments&) { return Value(length(v)); }},
    {"count", [](In&, const Value& v, const Arguments&) { return Value(length(v)); }},
    {"list", [](In&, const Value& v, const Arguments&) { return Value(iterate(v)); }},
    {"default", otherwise},
    {"d", otherwise},
    {"join", join},
    {"map", map},
    {"select", choose<true, false>},
    {"reject", choose<false, false>},
    {"selectattr", choose<true, true>},
    {"rejectattr", choose<false, true>},
    {"first", first},
    {"last", last},
    {"items", items_of},
    {"dictsort", dictsort},
    {"sort", sort},
    {"unique", unique},
    {"reverse", reverse},
    {"batch", batch},
    {"sum", sum},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"groupby", groupby},
    {"attr", attr},
};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  for (const auto& [known, filter] : kFilters)
    if (known == name) return filter;
  return nullptr;
}

Filter find_filter(std::string_view name) {
  const Filter f = find_text_filter(name);
  return f != nullptr ? f : find_sequence_filter(name);
}

}  // namespace mlxr::text::jinja
