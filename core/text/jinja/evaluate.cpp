// The expressions of Interpreter.
#include <algorithm>

#include "core/text/jinja/arithmetic.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/objects.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

std::string missing(const Value& object, const Value& key) {
  return object.describe() + (key.string() != nullptr ? " has no attribute " : " has no element ") + key.repr().bytes();
}

// The positions that Python's slice picks from `size` elements.
std::vector<std::size_t> slice_positions(std::int64_t size, const Value& start, const Value& stop, const Value& step) {
  const auto number = [](const Value& v, std::int64_t otherwise) {
    if (v.is_none()) return otherwise;
    if (!v.require().is_integral()) raise("slice indices must be integers or None");
    return v.integer();
  };
  const std::int64_t by = number(step, 1);
  if (by == 0) raise("slice step cannot be zero");
  const auto clamp = [&](std::int64_t i) {
    if (i < 0) i = i < -size ? -1 : i + size;
    return by > 0 ? std::clamp<std::int64_t>(i, 0, size) : std::clamp<std::int64_t>(i, -1, size - 1);
  };
  const std::int64_t from = start.is_none() ? (by > 0 ? 0 : size - 1) : clamp(number(start, 0));
  const std::int64_t to = stop.is_none() ? (by > 0 ? size : -1) : clamp(number(stop, 0));
  std::vector<std::size_t> out;
  for (std::int64_t i = from; by > 0 ? i < to : i > to;) {
    out.push_back(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  return out;
}

bool compare_op(std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equal(a, b);
  if (op == "!=") return !equal(a, b);
  if (op == "in") return contains(b, a);
  if (op == "not in") return !contains(b, a);
  const std::partial_ordering order = compare(a, b, op);
  return op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
}

}  // namespace

Value Interpreter::evaluate(const Expr& e) {
  const Deeper deeper(*this);
  line_ = e.line;
  switch (e.kind) {
    case Expr::Kind::kConst: return e.value;
    case Expr::Kind::kName: return name(e);
    case Expr::Kind::kTuple:
    case Expr::Kind::kList:
    case Expr::Kind::kDict: return container(e);
    case Expr::Kind::kAttribute: return attribute(evaluate(*e.parts[0]), e.text);
    case Expr::Kind::kItem: {
      const Value object = evaluate(*e.parts[0]);
      return item(object, evaluate(*e.parts[1]));
    }
    case Expr::Kind::kSlice: return slice(e);
    case Expr::Kind::kCall: return call(e);
    case Expr::Kind::kFilter: return filter(e, evaluate(*e.parts[0]));
    case Expr::Kind::kTest: {
      const Value input = evaluate(*e.parts[0]);
      return Value(test(e.text, input, arguments(e.arguments)));
    }
    case Expr::Kind::kNot: return Value(!evaluate(*e.parts[0]).truthy());
    case Expr::Kind::kNegate: return negate(evaluate(*e.parts[0]));
    case Expr::Kind::kPlus: return negate(negate(evaluate(*e.parts[0])));
    case Expr::Kind::kArithmetic: {
      const Value left = evaluate(*e.parts[0]);
      return arithmetic(e.text, left, evaluate(*e.parts[1]));
    }
    case Expr::Kind::kConcat: return concat(e);
    case Expr::Kind::kCompare: return compare_chain(e);
    case Expr::Kind::kAnd: {
      Value left = evaluate(*e.parts[0]);
      return left.truthy() ? evaluate(*e.parts[1]) : left;
    }
    case Expr::Kind::kOr: {
      Value left = evaluate(*e.parts[0]);
      return left.truthy() ? left : evaluate(*e.parts[1]);
    }
    case Expr::Kind::kConditional:
      if (evaluate(*e.parts[1]).truthy()) return evaluate(*e.parts[0]);
      return e.parts[2] ? evaluate(*e.parts[2])
                        : Value::undefined("the inline if-expression evaluated to false and no else section was defined");
  }
  return Value();
}

Value Interpreter::name(const Expr& e) {
  for (const Frame* frame = frame_.get(); frame != nullptr; frame = frame->parent.get())
    if (const Value* v = frame->find(e.text)) return *v;
  if (const Value* v = context_.dict()->find(std::string_view(e.text))) return *v;
  if (const Function f = find_function(e.text)) return Value(std::static_pointer_cast<Object>(std::make_shared<FunctionObject>(f)));
  return Value::undefined("'" + e.text + "' is undefined");
}

Value Interpreter::container(const Expr& e) {
  std::vector<Value> items;
  items.reserve(e.parts.size());
  for (const ExprPtr& part : e.parts) items.push_back(evaluate(*part));
  if (e.kind != Expr::Kind::kDict)
    return Value(std::move(items), e.kind == Expr::Kind::kTuple ? SequenceKind::kTuple : SequenceKind::kList);
  Dict::Entries entries;
  for (std::size_t i = 0; i < items.size(); i += 2) entries.emplace_back(items[i], items[i + 1]);
  return Value(std::move(entries));
}

Value Interpreter::slice(const Expr& e) {
  const Value object = evaluate(*e.parts[0]).require();
  const auto bound = [&](std::size_t i) { return e.parts[i] ? evaluate(*e.parts[i]) : Value(None{}); };
  const Value start = bound(1), stop = bound(2), step = bound(3);
  if (const MarkedText* s = object.text()) {
    ensure_room(s->size() * 2 * sizeof(std::string_view));
    std::vector<std::string_view> characters;
    each_character(s->bytes(), [&](char32_t, std::string_view bytes) { characters.push_back(bytes); });
    MarkedText out;
    for (std::size_t i : slice_positions(static_cast<std::int64_t>(characters.size()), start, stop, step))
      out.append_part(*s, characters[i]);
    return Value(std::move(out));
  }
  const List* list = object.list();
  if (list == nullptr || (list->kind != SequenceKind::kList && list->kind != SequenceKind::kTuple && list->kind != SequenceKind::kRange))
    raise("'" + std::string(object.type_name()) + "' object is not subscriptable by a slice");
  std::vector<Value> out;
  for (std::size_t i : slice_positions(static_cast<std::int64_t>(list->items.size()), start, stop, step)) out.push_back(list->items[i]);
  return Value(std::move(out), list->kind);
}

Value Interpreter::attribute(const Value& object, std::string_view name) {
  object.require();
  switch (find_method(object, name)) {
    case Method::kAllowed: return Value(std::static_pointer_cast<Object>(std::make_shared<BoundMethod>(object, std::string(name))));
    case Method::kRefused:
      return Value::undefined("access to attribute '" + std::string(name) + "' of " + object.describe() +
                              " is unsafe: values cannot be changed");
    case Method::kNone: break;
  }
  if (const Dict* dict = object.dict()) {
    if (const Value* v = dict->find(name)) return *v;
  } else if (Object* o = object.object()) {
    if (auto v = o->attribute(name)) return *v;
  }
  return Value::undefined(missing(object, Value(name)));
}

Value Interpreter::item(const Value& object, const Value& key) {
  object.require();
  if (const Dict* dict = object.dict()) {
    const bool hashable = key.list() == nullptr && key.dict() == nullptr;
    if (const Value* v = hashable || key.list() != nullptr ? dict->find(key) : nullptr) return *v;
  } else if (key.is_integral()) {
    const std::int64_t size = object.string() != nullptr || object.list() != nullptr ? length(object) : 0;
    const std::int64_t i = key.integer() < 0 ? key.integer() + size : key.integer();
    if (i >= 0 && i < size) {
      if (const List* list = object.list(); list != nullptr && list->kind <= SequenceKind::kRange)
        return list->items[static_cast<std::size_t>(i)];
      if (const MarkedText* s = object.text()) {
        const std::string_view rest = std::string_view(s->bytes()).substr(bytes_of(s->bytes(), static_cast<std::size_t>(i)));
        return Value(s->part(first_character(rest).bytes));
      }
    }
  }
  if (key.string() != nullptr && object.dict() == nullptr) return attribute(object, *key.string());
  if (key.string() != nullptr && find_method(object, *key.string()) != Method::kNone) return attribute(object, *key.string());
  return Value::undefined(missing(object, key));
}

Arguments Interpreter::arguments(const CallArguments& call) {
  Arguments out;
  out.positional.reserve(call.positional.size());
  for (const ExprPtr& e : call.positional) out.positional.push_back(evaluate(*e));
  for (const auto& [key, e] : call.named) out.named.emplace_back(key, evaluate(*e));
  if (call.star) {
    for (Value& v : iterate(evaluate(*call.star).require())) out.positional.push_back(std::move(v));
  }
  if (call.star_star) {
    const Value more = evaluate(*call.star_star).require();
    if (more.dict() == nullptr) raise("the argument after ** must be a mapping, not " + std::string(more.type_name()));
    for (const auto& [key, value] : more.dict()->entries) {
      if (key.string() == nullptr) raise("keywords must be strings");
      out.named.emplace_back(*key.string(), value);
    }
  }
  return out;
}

Value Interpreter::call(const Expr& e) {
  const Expr& callee = *e.parts[0];
  if (callee.kind == Expr::Kind::kAttribute) {  // text.strip(): no need to make an object of the method
    const Value self = evaluate(*callee.parts[0]);
    if (find_method(self, callee.text) == Method::kAllowed) return call_method(*this, self, callee.text, arguments(e.arguments));
    const Value function = attribute(self, callee.text);
    return call(function, arguments(e.arguments));
  }
  const Value function = evaluate(callee);
  return call(function, arguments(e.arguments));
}

Value Interpreter::call(const Value& callee, Arguments args) {
  if (callee.require().object() == nullptr) raise("'" + std::string(callee.type_name()) + "' object is not callable");
  return callee.object()->call(*this, std::move(args));
}

Value Interpreter::filter(const Expr& e, const Value& input) {
  line_ = e.line;
  return filter(e.text, input, arguments(e.arguments));
}

Value Interpreter::filter(std::string_view name, const Value& input, const Arguments& args) {
  const Filter f = find_filter(name);
  if (f == nullptr) raise("no filter named '" + std::string(name) + "'");
  return f(*this, input, args);
}

bool Interpreter::test(std::string_view name, const Value& input, const Arguments& args) {
  const Test t = find_test(name);
  if (t == nullptr) raise("no test named '" + std::string(name) + "'");
  return t(*this, input, args);
}

Value Interpreter::concat(const Expr& e) {
  MarkedText out;
  for (const ExprPtr& part : e.parts) {
    out += evaluate(*part).print();
    ensure_room(out.size());
  }
  return Value(std::move(out));
}

Value Interpreter::compare_chain(const Expr& e) {
  Value left = evaluate(*e.parts[0]);
  for (std::size_t i = 0; i < e.ops.size(); ++i) {
    Value right = evaluate(*e.parts[i + 1]);
    if (!compare_op(e.ops[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

}  // namespace mlxr::text::jinja
