#include "core/text/jinja/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/text/jinja/search.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

constexpr int kMaxDepth = 100;

int depth_of(const Value& v) {
  if (const List* list = v.list()) return list->depth;
  if (const Dict* dict = v.dict()) return dict->depth;
  return v.object() != nullptr ? v.object()->depth() : 0;
}

int checked_depth(int deepest) {
  if (deepest >= kMaxDepth) raise_limit("lists and dicts are nested deeper than " + std::to_string(kMaxDepth) + " levels");
  return deepest + 1;
}

int depth_of_all(const std::vector<Value>& items) {
  int deepest = 0;
  for (const Value& v : items) deepest = std::max(deepest, depth_of(v));
  return checked_depth(deepest);
}

int depth_of_all(const Dict::Entries& entries) {
  int deepest = 0;
  for (const auto& [key, value] : entries) deepest = std::max({deepest, depth_of(key), depth_of(value)});
  return checked_depth(deepest);
}

MarkedText join_repr(const std::vector<Value>& items, std::string_view open, std::string_view close) {
  MarkedText out;
  out += open;
  for (std::size_t i = 0; i < items.size(); ++i) {
    spend(1);
    const std::size_t before = out.size();
    if (i > 0) out += ", ";
    out += items[i].repr();
    touch(out.size() - before);
    ensure_room(out.size());
  }
  out += close;
  return out;
}

MarkedText list_repr(const List& list) {
  switch (list.kind) {
    case SequenceKind::kList: return join_repr(list.items, "[", "]");
    case SequenceKind::kTuple: return join_repr(list.items, "(", list.items.size() == 1 ? ",)" : ")");
    case SequenceKind::kKeys: return join_repr(list.items, "dict_keys([", "])");
    case SequenceKind::kValues: return join_repr(list.items, "dict_values([", "])");
    case SequenceKind::kItems: return join_repr(list.items, "dict_items([", "])");
    case SequenceKind::kGenerator: return MarkedText("<generator object>");
    case SequenceKind::kRange: break;
  }
  if (list.items.empty()) return MarkedText("range(0, 0)");
  const std::int64_t first = list.items.front().integer();
  const std::int64_t step = list.items.size() > 1 ? list.items[1].integer() - first : 1;
  std::string out = "range(" + std::to_string(first) + ", " + std::to_string(list.items.back().integer() + (step > 0 ? 1 : -1));
  if (step != 1) out += ", " + std::to_string(step);
  return MarkedText(out + ")");
}

bool same_items(const List& a, const List& b) {
  return a.items.size() == b.items.size() && std::equal(a.items.begin(), a.items.end(), b.items.begin(), equal);
}

}  // namespace

List::List(std::vector<Value> values, SequenceKind sequence_kind)
    : items(std::move(values)), kind(sequence_kind), depth(depth_of_all(items)), metered(items.size() * sizeof(Value) + 64) {}

Dict::Dict(Entries pairs) : depth(depth_of_all(pairs)), metered(pairs.size() * (2 * sizeof(Value) + 96) + 128) {
  entries.reserve(pairs.size());
  for (auto& [key, value] : pairs) {
    const auto [at, fresh] = index.try_emplace(hash_key(key), entries.size());
    if (fresh) {
      entries.emplace_back(std::move(key), std::move(value));
    } else {
      entries[at->second].second = std::move(value);
    }
  }
}

const Value* Dict::find(const Value& key) const {
  const auto at = index.find(hash_key(key));
  return at == index.end() ? nullptr : &entries[at->second].second;
}
const Value* Dict::find(std::string_view key) const {
  const auto at = index.find("s" + std::string(key));
  return at == index.end() ? nullptr : &entries[at->second].second;
}

std::optional<Value> Object::attribute(std::string_view) const { return std::nullopt; }
Value Object::call(Interpreter&, Arguments) { raise("'" + type_name() + "' object is not callable"); }
std::string Object::print() const { return "<" + type_name() + ">"; }

Value::Value(std::vector<Value> items, SequenceKind kind) : data_(std::make_shared<const List>(std::move(items), kind)) {}

Value Value::undefined(std::string why) {
  Value v;
  v.data_ = Undefined{std::make_shared<const std::string>(std::move(why))};
  return v;
}

const MarkedText* Value::text() const {
  const auto* p = std::get_if<std::shared_ptr<const Str>>(&data_);
  return p == nullptr ? nullptr : &(*p)->text;
}
const std::string* Value::string() const {
  const MarkedText* t = text();
  return t == nullptr ? nullptr : &t->bytes();
}
const List* Value::list() const {
  const auto* p = std::get_if<std::shared_ptr<const List>>(&data_);
  return p == nullptr ? nullptr : p->get();
}
const Dict* Value::dict() const {
  const auto* p = std::get_if<std::shared_ptr<const Dict>>(&data_);
  return p == nullptr ? nullptr : p->get();
}
Object* Value::object() const {
  const auto* p = std::get_if<std::shared_ptr<Object>>(&data_);
  return p == nullptr ? nullptr : p->get();
}

std::int64_t Value::integer() const { return is_bool() ? (std::get<bool>(data_) ? 1 : 0) : std::get<std::int64_t>(data_); }
double Value::real() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }

bool Value::truthy() const {
  if (is_number()) return is_float() ? real() != 0 : integer() != 0;
  if (const auto* s = string()) return !s->empty();
  if (const List* l = list()) return l->kind == SequenceKind::kGenerator || !l->items.empty();
  if (const Dict* d = dict()) return !d->entries.empty();
  return object() != nullptr;
}

const char* Value::type_name() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (is_bool()) return "bool";
  if (is_int()) return "int";
  if (is_float()) return "float";
  if (string() != nullptr) return "str";
  if (dict() != nullptr) return "dict";
  const List* l = list();
  if (l == nullptr) return "object";
  switch (l->kind) {
    case SequenceKind::kList: return "list";
    case SequenceKind::kTuple: return "tuple";
    case SequenceKind::kRange: return "range";
    case SequenceKind::kGenerator: return "generator";
    case SequenceKind::kKeys: return "dict_keys";
    case SequenceKind::kValues: return "dict_values";
    case SequenceKind::kItems: return "dict_items";
  }
  return "object";
}

std::string Value::describe() const {
  if (is_none()) return "'None'";
  if (object() != nullptr) return "'" + object()->type_name() + " object'";
  return "'" + std::string(type_name()) + " object'";
}

const Value& Value::require() const {
  if (const auto* u = std::get_if<Undefined>(&data_)) raise(u->why ? *u->why : "a value is undefined");
  return *this;
}

MarkedText Value::print() const {
  if (const MarkedText* t = text()) return *t;
  return is_undefined() ? MarkedText() : repr();
}

MarkedText Value::repr() const {
  if (is_undefined()) return MarkedText("Undefined");
  if (is_none()) return MarkedText("None");
  if (is_bool()) return MarkedText(integer() != 0 ? "True" : "False");
  if (is_int()) return MarkedText(std::to_string(integer()));
  if (is_float()) return MarkedText(float_repr(real()));
  if (const MarkedText* t = text()) return string_repr(*t);
  if (const List* l = list()) return list_repr(*l);
  if (Object* o = object()) return MarkedText(o->print());
  MarkedText out("{");
  for (const auto& [key, value] : dict()->entries) {
    spend(1);
    const std::size_t before = out.size();
    if (before > 1) out += ", ";
    out += key.repr();
    out += ": ";
    out += value.repr();
    touch(out.size() - before);
    ensure_room(out.size());
  }
  out += '}';
  return out;
}

bool equal(const Value& a, const Value& b) {
  spend(1);
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.real() == b.real();
  if (a.string() != nullptr && b.string() != nullptr) {
    touch(std::min(a.string()->size(), b.string()->size()));
    return *a.string() == *b.string();
  }
  if (a.list() != nullptr && b.list() != nullptr) {
    if (a.list() == b.list()) return true;
    const SequenceKind kind = a.list()->kind;
    if (kind != b.list()->kind || kind == SequenceKind::kGenerator || kind == SequenceKind::kValues) return false;
    return same_items(*a.list(), *b.list());
  }
  if (a.dict() != nullptr && b.dict() != nullptr) {
    if (a.dict()->entries.size() != b.dict()->entries.size()) return false;
    return std::all_of(a.dict()->entries.begin(), a.dict()->entries.end(), [&](const auto& entry) {
      const Value* other = b.dict()->find(entry.first);
      return other != nullptr && equal(entry.second, *other);
    });
  }
  if (a.object() != nullptr) return a.object() == b.object();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

std::partial_ordering compare(const Value& a, const Value& b, std::string_view op) {
  spend(1);
  a.require();
  b.require();
  if (a.is_integral() && b.is_integral()) return a.integer() <=> b.integer();
  if (a.is_number() && b.is_number()) return a.real() <=> b.real();
  if (a.string() != nullptr && b.string() != nullptr) {
    touch(std::min(a.string()->size(), b.string()->size()));
    return *a.string() <=> *b.string();  // UTF-8 keeps the order of code points
  }
  const List *x = a.list(), *y = b.list();
  if (x != nullptr && y != nullptr && x->kind == y->kind && (x->kind == SequenceKind::kList || x->kind == SequenceKind::kTuple)) {
    for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i)
      if (!equal(x->items[i], y->items[i])) return compare(x->items[i], y->items[i], op);
    return x->items.size() <=> y->items.size();
  }
  raise("'" + std::string(op) + "' not supported between instances of '" + a.type_name() + "' and '" + b.type_name() + "'");
}

std::string hash_key(const Value& key) {
  spend(1);
  if (const auto* s = key.string()) {
    touch(s->size());
    return "s" + *s;
  }
  if (key.is_integral()) return "n" + std::to_string(key.integer());
  if (key.is_float()) {
    const double d = key.real();
    if (d == std::floor(d) && std::abs(d) < 9e18) return "n" + std::to_string(static_cast<std::int64_t>(d));
    return "n" + float_repr(d);
  }
  if (key.is_none()) return "N";
  if (key.is_undefined()) return "U";
  if (Object* o = key.object()) return "o" + std::to_string(reinterpret_cast<std::uintptr_t>(o));
  if (const List* l = key.list(); l != nullptr && l->kind == SequenceKind::kTuple) {
    std::string out = "t";
    for (const Value& v : l->items) {
      const std::string k = hash_key(v);
      out += std::to_string(k.size()) + ":" + k;
      touch(k.size());
      ensure_room(out.size());
    }
    return out;
  }
  raise("unhashable type: '" + std::string(key.type_name()) + "'");
}

bool contains(const Value& container, const Value& item) {
  if (const auto* s = container.string()) {
    if (const auto* needle = item.string()) return Searcher(*needle).first_in(*s) != std::string::npos;
    raise("'in <string>' requires string as left operand, not " + std::string(item.type_name()));
  }
  if (const Dict* d = container.dict()) return d->find(item) != nullptr;
  const std::vector<Value> items = iterate(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& v) { return equal(v, item); });
}

bool iterable(const Value& v) { return v.string() != nullptr || v.list() != nullptr || v.dict() != nullptr || v.is_undefined(); }

std::vector<Value> iterate(const Value& v) {
  std::vector<Value> out;
  if (const MarkedText* t = v.text()) {
    ensure_room(t->size() * (sizeof(Value) + sizeof(Str)));
    each_character(t->bytes(), [&](char32_t, std::string_view bytes) { out.emplace_back(t->part(bytes)); });
  } else if (const List* l = v.list()) {
    ensure_room(l->items.size() * sizeof(Value));
    out = l->items;
  } else if (const Dict* d = v.dict()) {
    for (const auto& [key, value] : d->entries) out.push_back(key);
  } else if (!v.is_undefined()) {
    raise(v.describe() + " is not iterable");
  }
  return out;
}

std::int64_t length(const Value& v) {
  if (const auto* s = v.string()) return static_cast<std::int64_t>(count_code_points(*s));
  if (const List* l = v.list(); l != nullptr && l->kind != SequenceKind::kGenerator) return static_cast<std::int64_t>(l->items.size());
  if (const Dict* d = v.dict()) return static_cast<std::int64_t>(d->entries.size());
  if (v.is_undefined()) return 0;
  raise("object of type '" + std::string(v.type_name()) + "' has no len()");
}

std::string float_repr(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(std::string(text.substr(e + 1)));
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed_end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::fixed).ptr;
  std::string out(buffer, fixed_end);
  return out.find('.') == std::string::npos ? out + ".0" : out;
}

MarkedText string_repr(const MarkedText& text) {
  const std::string& s = text.bytes();
  const char quote = s.find('\'') != std::string::npos && s.find('"') == std::string::npos ? '"' : '\'';
  const auto hex = [](const char* prefix, char32_t c, int digits) {
    std::string out = prefix;
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += "0123456789abcdef"[(c >> shift) & 15];
    return out;
  };
  MarkedText out(std::string(1, quote));
  out += rewritten(text, [&](char32_t c, std::string_view bytes) -> std::string {
    if (c == static_cast<char32_t>(quote) || c == '\\') return {'\\', static_cast<char>(c)};
    if (c == '\n') return "\\n";
    if (c == '\r') return "\\r";
    if (c == '\t') return "\\t";
    if (c < 32 || (c >= 0x7F && c <= 0xA0) || c == 0xAD) return hex("\\x", c, 2);
    if ((is_space(c) && c != ' ') || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
        (c >= 0xE000 && c <= 0xF8FF) || c == 0xFEFF)
      return hex("\\u", c, 4);
    return std::string(bytes);
  });
  out += quote;
  return out;
}

}  // namespace mlxr::text::jinja
