// The values a template works with, with Python's meaning: what is true, equal, smaller, and how each one prints.
//
// Values are cheap to copy and immutable (the sandbox refuses list.append and other methods that modify); only a namespace()
// has state. Strings are valid UTF-8 and remember which bytes the conversation wrote (MarkedText); lengths and indices count code points.
// Making a string or a container is charged to the Budget of the current thread, so that 'a' * 10**9 is refused before it is made.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/text/jinja/budget.h"
#include "core/text/jinja/raise.h"
#include "core/text/marked_text.h"

namespace mlxr::text::jinja {

class Value;
class Interpreter;

struct Undefined {
  std::shared_ptr<const std::string> why;  // the sentence that an operation on it raises
};
struct None {};

struct Str {
  explicit Str(MarkedText t) : text(std::move(t)), metered(text.size() + text.content().size() * sizeof(Span) + 64) {}
  MarkedText text;
  Metered metered;
};

// What Python would call the sequence; decides printing and what may be done with it.
enum class SequenceKind { kList, kTuple, kRange, kGenerator, kKeys, kValues, kItems };

struct List {
  List(std::vector<Value> values, SequenceKind sequence_kind);
  std::vector<Value> items;
  SequenceKind kind;
  int depth;  // 1 + the deepest item's; bounded, so that no recursion over values can exhaust the stack
  Metered metered;
};

// Keeps the order of insertion.
struct Dict {
  using Entries = std::vector<std::pair<Value, Value>>;
  explicit Dict(Entries pairs);  // a key that comes again replaces the value
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  Entries entries;
  std::unordered_map<std::string, std::size_t> index;  // by hash_key()
  int depth;
  Metered metered;
};

// The arguments of a call, as the template wrote them.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Everything that is not plain data: functions, macros, `loop`, namespaces.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;
  virtual std::optional<Value> attribute(std::string_view) const;
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter& interpreter, Arguments arguments);
  virtual std::string print() const;
  virtual int depth() const { return 0; }  // of the values that it holds and cannot change, see List::depth
};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(None) : data_(None{}) {}
  Value(bool b) : data_(b) {}
  Value(std::int64_t i) : data_(i) {}
  Value(int i) : data_(std::int64_t{i}) {}
  Value(std::size_t i) : data_(static_cast<std::int64_t>(i)) {}
  Value(double d) : data_(d) {}
  Value(MarkedText text) : data_(std::make_shared<const Str>(std::move(text))) {}
  Value(std::string s) : Value(MarkedText(std::move(s))) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char* s) : Value(std::string(s)) {}
  Value(std::vector<Value> items, SequenceKind kind = SequenceKind::kList);
  Value(Dict::Entries entries) : data_(std::make_shared<const Dict>(std::move(entries))) {}
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}
  static Value undefined(std::string why);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_integral() const { return is_int() || is_bool(); }
  bool is_number() const { return is_integral() || is_float(); }

  // Null when it is something else.
  const MarkedText* text() const;
  const std::string* string() const;  // the bytes of text()
  const List* list() const;
  const Dict* dict() const;
  Object* object() const;

  std::int64_t integer() const;  // of is_integral()
  double real() const;           // of is_number()
  bool truthy() const;
  const char* type_name() const;  // Python's
  std::string describe() const;   // the name in "'...' has no attribute": 'dict object', 'None'

  // Raises when an undefined value is used for more than printing or testing.
  const Value& require() const;

  MarkedText print() const;  // str()
  MarkedText repr() const;

 private:
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Str>, std::shared_ptr<const List>,
               std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      data_;
};

bool equal(const Value& a, const Value& b);
// Unordered if one is NaN. Raises for types that have no order; the message names `op`.
std::partial_ordering compare(const Value& a, const Value& b, std::string_view op);
std::string hash_key(const Value& key);  // equal keys, equal text; raises for what cannot be a key
bool contains(const Value& container, const Value& item);

// What iterating yields: characters of a string, keys of a dict. Raises for what cannot be iterated.
std::vector<Value> iterate(const Value& value);
bool iterable(const Value& value);
std::int64_t length(const Value& value);

// Python's text of a float and of a quoted string.
std::string float_repr(double d);
MarkedText string_repr(const MarkedText& s);

}  // namespace mlxr::text::jinja
