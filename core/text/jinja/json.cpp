#include "core/text/jinja/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/text/jinja/budget.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

constexpr std::size_t kMaxNesting = 90;

// Builds the value while the parser reads, which keeps no tree of its own and needs no recursion. (nlohmann's ordered_json searches an
// object's keys one by one for each key that it adds.)
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(Origin origin) : origin_(origin) {}
  Value take() { return std::move(done_); }

  bool null() override { return add(Value(None{})); }
  bool boolean(bool b) override { return add(Value(b)); }
  bool number_integer(number_integer_t i) override { return add(Value(static_cast<std::int64_t>(i))); }
  bool number_unsigned(number_unsigned_t i) override {
    if (i > static_cast<std::uint64_t>(INT64_MAX)) raise("an integer in the JSON does not fit 64 bits");
    return add(Value(static_cast<std::int64_t>(i)));
  }
  bool number_float(number_float_t d, const string_t&) override { return add(Value(d)); }
  bool string(string_t& s) override { return add(text(s)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(); }
  bool key(string_t& s) override {
    levels_.back().keys.push_back(text(s));
    return true;
  }
  bool end_object() override {
    Level level = close();
    Dict::Entries entries;
    entries.reserve(level.values.size());
    for (std::size_t i = 0; i < level.values.size(); ++i) entries.emplace_back(std::move(level.keys[i]), std::move(level.values[i]));
    return add(Value(std::move(entries)));
  }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return add(Value(close().values)); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  struct Level {
    std::vector<Value> keys, values;
  };

  Value text(const std::string& s) const { return Value(MarkedText(s, origin_)); }
  bool open() {
    if (levels_.size() == kMaxNesting) raise("the JSON is nested deeper than " + std::to_string(kMaxNesting) + " levels");
    levels_.emplace_back();
    return true;
  }
  Level close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return level;
  }
  bool add(Value v) {
    spend(1);
    if (levels_.empty()) {
      done_ = std::move(v);
    } else {
      levels_.back().values.push_back(std::move(v));
    }
    return true;
  }

  Origin origin_;
  std::vector<Level> levels_;
  Value done_;
};

MarkedText quoted(const MarkedText& s, bool ascii) {
  const auto hex = [](char32_t unit) {
    std::string out = "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[(unit >> shift) & 15];
    return out;
  };
  MarkedText out("\"");
  out += rewritten(s, [&](char32_t c, std::string_view bytes) -> std::string {
    switch (c) {
      case '"': return "\\\"";
      case '\\': return "\\\\";
      case '\n': return "\\n";
      case '\r': return "\\r";
      case '\t': return "\\t";
      case '\b': return "\\b";
      case '\f': return "\\f";
      default: break;
    }
    if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000)) return hex(c);
    if (ascii && c >= 0x10000) return hex(0xD800 + ((c - 0x10000) >> 10)) + hex(0xDC00 + ((c - 0x10000) & 0x3FF));
    return std::string(bytes);
  });
  out += '"';
  return out;
}

std::string scalar(const Value& v) {
  if (v.is_none()) return "null";
  if (v.is_bool()) return v.truthy() ? "true" : "false";
  if (!v.is_float()) return v.repr().bytes();
  if (std::isnan(v.real())) return "NaN";
  if (std::isinf(v.real())) return v.real() < 0 ? "-Infinity" : "Infinity";
  return v.repr().bytes();
}

MarkedText key_text(const Value& key) {
  if (key.text() != nullptr) return *key.text();
  if (key.is_number() || key.is_none()) return MarkedText(scalar(key));
  raise("keys must be str, int, float, bool or None, not " + std::string(key.type_name()));
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void write(const Value& v) {
    spend(1);
    ensure_room(out_.size());
    if (v.is_none() || v.is_number()) {
      out_ += scalar(v);
    } else if (const MarkedText* s = v.text()) {
      out_ += quoted(*s, style_.ascii);
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
  MarkedText take() { return std::move(out_); }

 private:
  void write(const Dict& dict) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return compare(a->first, b->first, "<") < 0; });
    open('{');
    for (std::size_t i = 0; i < entries.size(); ++i) {
      separate(i == 0);
      out_ += quoted(key_text(entries[i]->first), style_.ascii);
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
  MarkedText out_;
  int level_ = 0;
};

}  // namespace

Value parse_json(std::string_view text, Origin origin) {
  touch(text.size());
  Builder builder(origin);
  if (!nlohmann::json::sax_parse(text, &builder)) raise("the context is not valid JSON");
  return builder.take();
}

MarkedText to_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace mlxr::text::jinja
