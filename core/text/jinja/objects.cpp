#include "core/text/jinja/objects.h"

#include <algorithm>

namespace mlxr::text::jinja {

std::optional<Value> Namespace::attribute(std::string_view name) const {
  const Value* v = attributes_.find(name);
  return v == nullptr ? std::nullopt : std::optional(*v);
}

std::optional<Value> Macro::attribute(std::string_view name) const {
  if (name == "name") return Value(code_.name);
  if (name == "caller") return Value(code_.uses_caller);
  if (name == "catch_kwargs") return Value(code_.uses_kwargs);
  if (name == "catch_varargs") return Value(code_.uses_varargs);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names(code_.parameters.begin(), code_.parameters.end());
  return Value(std::move(names), SequenceKind::kTuple);
}

std::optional<Value> Loop::attribute(std::string_view name) const {
  const std::vector<Value>& items = items_->items;
  if (name == "index") return Value(index_ + 1);
  if (name == "index0") return Value(index_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(index_ + 1 >= items.size());
  if (name == "length") return Value(items.size());
  if (name == "revindex") return Value(items.size() - index_);
  if (name == "revindex0") return Value(items.size() - index_ - 1);
  if (name == "depth") return Value(depth_ + 1);
  if (name == "depth0") return Value(depth_);
  if (name == "previtem") return index_ > 0 ? items[index_ - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem") return index_ + 1 < items.size() ? items[index_ + 1] : Value::undefined("there is no next item");
  return std::nullopt;
}

Value Loop::call(Interpreter& interpreter, Arguments arguments) {
  if (!stmt_.recursive) raise("the loop must have the 'recursive' marker to be called recursively");
  const Bound b("loop", arguments, {"iterable"}, 1);
  return Value(interpreter.loop_recursion(stmt_, *b[0], outer_, depth_ + 1));
}

Value Loop::cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) raise("loop.cycle() needs items to cycle through");
  return arguments.positional[index_ % arguments.positional.size()];
}

bool Loop::changed(const Arguments& arguments) {
  const std::vector<Value>& now = arguments.positional;
  if (last_seen_ && std::equal(now.begin(), now.end(), last_seen_->begin(), last_seen_->end(), equal)) return false;
  last_seen_ = now;
  return true;
}

int BoundMethod::depth() const {
  if (const List* list = self_.list()) return list->depth + 1;
  if (const Dict* dict = self_.dict()) return dict->depth + 1;
  return self_.object() != nullptr ? self_.object()->depth() + 1 : 0;
}

}  // namespace mlxr::text::jinja
