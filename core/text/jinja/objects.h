// The values that are not plain data: namespaces, macros, loops, functions and bound methods.
#pragma once

#include "core/text/jinja/builtins.h"
#include "core/text/jinja/interpreter.h"

namespace mlxr::text::jinja {

class Namespace : public Object {
 public:
  std::string type_name() const override { return "Namespace"; }
  std::optional<Value> attribute(std::string_view name) const override;
  void set(std::string_view name, Value value) { attributes_.set(name, std::move(value)); }
  void clear() { attributes_.variables.clear(); }

 private:
  Frame attributes_;
  Metered metered_{256};
};

class Macro : public Object {
 public:
  Macro(const MacroCode& code, FramePtr definition) : code_(code), definition_(std::move(definition)) {}
  std::string type_name() const override { return "Macro"; }
  std::optional<Value> attribute(std::string_view name) const override;
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments arguments) override { return interpreter.call_macro(code_, definition_, arguments); }

 private:
  const MacroCode& code_;
  FramePtr definition_;
  Metered metered_{256};
};

class Loop : public Object {
 public:
  Loop(std::shared_ptr<const List> items, const Stmt& stmt, FramePtr outer, int depth)
      : items_(std::move(items)), stmt_(stmt), outer_(std::move(outer)), depth_(depth) {}
  std::string type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(std::string_view name) const override;
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments arguments) override;
  int depth() const override { return items_->depth; }

  void advance() { ++index_; }
  void finish() { last_seen_.reset(); }  // may hold the loop itself
  Value cycle(const Arguments& arguments) const;
  bool changed(const Arguments& arguments);

 private:
  std::shared_ptr<const List> items_;
  const Stmt& stmt_;
  FramePtr outer_;
  int depth_;
  std::size_t index_ = 0;
  std::optional<std::vector<Value>> last_seen_;
  Metered metered_{256};
};

class FunctionObject : public Object {
 public:
  explicit FunctionObject(Function function) : function_(function) {}
  std::string type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments arguments) override { return function_(interpreter, arguments); }

 private:
  Function function_;
};

// 'text'.upper, loop.cycle: a method that was looked up and may be called later.
class BoundMethod : public Object {
 public:
  BoundMethod(Value self, std::string name) : self_(std::move(self)), name_(std::move(name)) {}
  std::string type_name() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments arguments) override { return call_method(interpreter, self_, name_, arguments); }
  int depth() const override;

 private:
  Value self_;
  std::string name_;
  Metered metered_{128};
};

}  // namespace mlxr::text::jinja
