#include "core/text/jinja/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/text/jinja/raise.h"

namespace mlxr::text::jinja {
namespace {

using Json = nlohmann::ordered_json;

Value from_json(const Json& j, int depth) {
  if (depth > 90) raise("the JSON is nested deeper than 90 levels");
  switch (j.type()) {
    case Json::value_t::boolean: return Value(j.get<bool>());
    case Json::value_t::number_integer: return Value(j.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      if (j.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) raise("an integer in the JSON does not fit 64 bits");
      return Value(j.get<std::int64_t>());
    case Json::value_t::number_float: return Value(j.get<double>());
    case Json::value_t::string: return Value(j.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(j.size());
      for (const Json& v : j) items.push_back(from_json(v, depth + 1));
      return Value(std::move(items));
    }
    case Json::value_t::object: {
      Dict::Entries entries;
      for (const auto& [key, v] : j.items()) entries.emplace_back(Value(key), from_json(v, depth + 1));
      return Value(std::move(entries));
    }
    default: return Value(None{});
  }
}

void write_string(std::string& out, std::string_view s) {
  out += '"';
  for (char c : s) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += "0123456789abcdef"[(c >> 4) & 15];
          out += "0123456789abcdef"[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

std::string scalar(const Value& v) {
  if (v.is_none()) return "null";
  if (v.is_bool()) return v.truthy() ? "true" : "false";
  if (!v.is_float()) return v.repr();
  if (std::isnan(v.real())) return "NaN";
  if (std::isinf(v.real())) return v.real() < 0 ? "-Infinity" : "Infinity";
  return v.repr();
}

std::string key_text(const Value& key) {
  if (key.string() != nullptr) return *key.string();
  if (key.is_number() || key.is_none()) return scalar(key);
  raise("keys must be str, int, float, bool or None, not " + std::string(key.type_name()));
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void write(const Value& v) {
    ensure_room(out_.size());
    if (v.is_none() || v.is_number()) {
      out_ += scalar(v);
    } else if (const auto* s = v.string()) {
      write_string(out_, *s);
    } else if (const List* list = v.list(); list != nullptr && list->kind <= SequenceKind::kTuple) {
      open('[');
      for (std::size_t i = 0; i < list->items.size(); ++i) {
        separate(i == 0);
        write(list->items[i]);
      }
      close(']', list->items.empty());
    } else if (const Dict* dict = v.dict()) {
      write(*dict);
    } else {
      raise("Object of type " + std::string(v.type_name()) + " is not JSON serializable");
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void write(const Dict& dict) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return compare(a->first, b->first, "<") < 0; });
    open('{');
    for (std::size_t i = 0; i < entries.size(); ++i) {
      separate(i == 0);
      write_string(out_, key_text(entries[i]->first));
      out_ += style_.key_separator;
      write(entries[i]->second);
    }
    close('}', entries.empty());
  }

  void open(char bracket) {
    out_ += bracket;
    ++level_;
  }
  void separate(bool first) {
    if (!first) out_ += style_.item_separator;
    new_line();
  }
  void close(char bracket, bool empty) {
    --level_;
    if (!empty) new_line();
    out_ += bracket;
  }
  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

Value parse_json(std::string_view text) {
  const Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded()) raise("the context is not valid JSON");
  return from_json(j, 0);
}

std::string to_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace mlxr::text::jinja
