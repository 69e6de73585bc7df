#include "core/text/jinja/interpreter.h"

#include <algorithm>

#include "core/text/jinja/objects.h"
#include "core/text/jinja/raise.h"

namespace mlxr::text::jinja {

Interpreter::Deeper::Deeper(Interpreter& in) : in_(in) {
  if (in_.nesting_ >= kMaxNesting)
    raise_limit("expressions, blocks and calls are nested too deeply; does a macro call itself without end?");
  ++in_.nesting_;
  in_.spend(1);
}

class Interpreter::NewFrame {
 public:
  NewFrame(Interpreter& in, FramePtr parent) : in_(in), before_(std::move(in.frame_)) {
    in_.frame_ = std::make_shared<Frame>();
    in_.frame_->parent = std::move(parent);
  }
  explicit NewFrame(Interpreter& in) : NewFrame(in, in.frame_) {}
  ~NewFrame() { in_.frame_ = std::move(before_); }
  NewFrame(const NewFrame&) = delete;

 private:
  Interpreter& in_;
  FramePtr before_;
};

class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& in) : in_(in), memory_(std::make_unique<Metered>(0)) { swap(); }
  ~Capture() { swap(); }
  Capture(const Capture&) = delete;
  MarkedText take() { return std::move(in_.output_); }

 private:
  void swap() {
    std::swap(before_, in_.output_);
    std::swap(memory_, in_.output_memory_);
  }

  Interpreter& in_;
  MarkedText before_;
  std::unique_ptr<Metered> memory_;
};

const Value* Frame::find(std::string_view name) const {
  const auto at = std::find_if(variables.begin(), variables.end(), [&](const auto& v) { return v.first == name; });
  return at == variables.end() ? nullptr : &at->second;
}

void Frame::set(std::string_view name, Value value) {
  const auto at = std::find_if(variables.begin(), variables.end(), [&](const auto& v) { return v.first == name; });
  if (at == variables.end()) {
    variables.emplace_back(std::string(name), std::move(value));
  } else {
    at->second = std::move(value);
  }
}

Interpreter::Interpreter(Budget& budget, std::size_t output_limit, Value context)
    : budget_(budget), output_limit_(output_limit), context_(std::move(context)), frame_(std::make_shared<Frame>()) {}

Interpreter::~Interpreter() {
  for (const auto& ns : namespaces_) static_cast<Namespace&>(*ns).clear();
  for (const FramePtr& frame : kept_frames_) frame->variables.clear();
}

MarkedText Interpreter::render(const Body& body) {
  run(body);
  return std::move(output_);
}

void Interpreter::write(const MarkedText& text) {
  if (text.size() > output_limit_ || output_.size() > output_limit_ - text.size())
    raise_limit("the template's output is longer than " + std::to_string(output_limit_) + " bytes");
  output_memory_->grow(text.size());
  output_ += text;
}

Interpreter::Flow Interpreter::run(const Body& body) {
  for (const auto& stmt : body) {
    const Flow flow = run(*stmt);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run(const Stmt& stmt) {
  const Deeper deeper(*this);
  line_ = stmt.line;
  switch (stmt.kind) {
    case Stmt::Kind::kText: write(MarkedText(stmt.text)); break;
    case Stmt::Kind::kOutput: write(evaluate(*stmt.expr).print()); break;
    case Stmt::Kind::kFor: run_for(stmt, evaluate(*stmt.expr), 0); break;
    case Stmt::Kind::kIf: return run_if(stmt);
    case Stmt::Kind::kSet: assign(*stmt.target, evaluate(*stmt.expr)); break;
    case Stmt::Kind::kSetBlock: run_set_block(stmt); break;
    case Stmt::Kind::kMacro:
      keep(frame_);
      frame_->set(stmt.macro->name, Value(std::static_pointer_cast<Object>(std::make_shared<Macro>(*stmt.macro, frame_))));
      break;
    case Stmt::Kind::kCallBlock: run_call_block(stmt); break;
    case Stmt::Kind::kFilterBlock: write(filters_of_block(stmt.expr.get(), Value(captured(stmt.body))).print()); break;
    case Stmt::Kind::kScope: run_scope(stmt); break;
    case Stmt::Kind::kBreak: return Flow::kBreak;
    case Stmt::Kind::kContinue: return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_if(const Stmt& stmt) {
  for (const auto& [condition, body] : stmt.branches)
    if (evaluate(*condition).truthy()) return run(body);
  return run(stmt.other);
}

void Interpreter::run_for(const Stmt& stmt, const Value& iterable, int depth) {
  std::vector<Value> items = iterate(iterable);
  spend(items.size() / 16);
  if (stmt.condition) {
    std::vector<Value> chosen;
    for (Value& item : items) {
      const NewFrame scope(*this);
      assign(*stmt.target, item);
      if (evaluate(*stmt.condition).truthy()) chosen.push_back(std::move(item));
    }
    items = std::move(chosen);
  }
  if (items.empty()) {
    const NewFrame scope(*this);
    run(stmt.other);
    return;
  }
  const auto list = std::make_shared<const List>(std::move(items), SequenceKind::kList);
  const auto loop = std::make_shared<Loop>(list, stmt, frame_, depth);
  struct Finish {
    Loop& loop;
    ~Finish() { loop.finish(); }
  } const finish{*loop};
  const Value loop_value(std::static_pointer_cast<Object>(loop));
  for (const Value& item : list->items) {
    const NewFrame scope(*this);
    frame_->set("loop", loop_value);
    assign(*stmt.target, item);
    if (run(stmt.body) == Flow::kBreak) break;
    loop->advance();
  }
}

MarkedText Interpreter::loop_recursion(const Stmt& loop, const Value& items, const FramePtr& outer, int depth) {
  const Deeper deeper(*this);
  const NewFrame scope(*this, outer);
  Capture capture(*this);
  run_for(loop, items, depth);
  return capture.take();
}

MarkedText Interpreter::captured(const Body& body) {
  const NewFrame scope(*this);
  Capture capture(*this);
  run(body);
  return capture.take();
}

void Interpreter::run_set_block(const Stmt& stmt) { assign(*stmt.target, filters_of_block(stmt.expr.get(), Value(captured(stmt.body)))); }

Value Interpreter::filters_of_block(const Expr* e, Value input) {
  if (e == nullptr) return input;
  const Deeper deeper(*this);
  return filter(*e, filters_of_block(e->parts[0].get(), std::move(input)));
}

void Interpreter::run_scope(const Stmt& stmt) {
  std::vector<Value> values;
  for (const ExprPtr& e : stmt.values) values.push_back(evaluate(*e));
  const NewFrame scope(*this);
  for (std::size_t i = 0; i < values.size(); ++i) assign(*stmt.targets[i], values[i]);
  run(stmt.body);
}

void Interpreter::run_call_block(const Stmt& stmt) {
  keep(frame_);
  const Value callee = evaluate(*stmt.expr->parts[0]);
  Arguments args = arguments(stmt.expr->arguments);
  args.named.emplace_back("caller", Value(std::static_pointer_cast<Object>(std::make_shared<Macro>(*stmt.macro, frame_))));
  write(call(callee, std::move(args)).print());
}

void Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == Expr::Kind::kName) return frame_->set(target.text, value);
  if (target.kind == Expr::Kind::kAttribute) return assign_namespace(target, value);
  const Deeper deeper(*this);
  const std::vector<Value> items = iterate(value.require());
  if (items.size() != target.parts.size())
    raise("cannot unpack " + std::to_string(items.size()) + " values into " + std::to_string(target.parts.size()) + " names");
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i]);
}

void Interpreter::assign_namespace(const Expr& target, const Value& value) {
  const Value owner = name(*target.parts[0]);
  auto* ns = dynamic_cast<Namespace*>(owner.object());
  if (ns == nullptr) raise("cannot assign attribute on non-namespace object '" + target.parts[0]->text + "'");
  ns->set(target.text, value);
}

Value Interpreter::make_namespace(const Arguments& arguments) {
  auto ns = std::make_shared<Namespace>();
  namespaces_.push_back(ns);
  if (arguments.positional.size() > 1) raise("namespace() takes at most one positional argument");
  if (!arguments.positional.empty()) {
    const Dict* dict = arguments.positional[0].require().dict();
    if (dict == nullptr) raise("namespace() takes a dict, not " + arguments.positional[0].describe());
    for (const auto& [key, value] : dict->entries) ns->set(key.print().bytes(), value);
  }
  for (const auto& [key, value] : arguments.named) ns->set(key, value);
  return Value(std::static_pointer_cast<Object>(ns));
}

Value Interpreter::call_macro(const MacroCode& code, const FramePtr& definition, const Arguments& arguments) {
  const Deeper deeper(*this);
  const NewFrame scope(*this, definition);
  const std::vector<std::string>& names = code.parameters;
  const std::size_t given = arguments.positional.size();
  if (given > names.size() && !code.uses_varargs)
    raise("macro '" + code.name + "' takes not more than " + std::to_string(names.size()) + " argument(s)");
  std::vector<bool> is_set(names.size());
  for (std::size_t i = 0; i < std::min(given, names.size()); ++i) {
    frame_->set(names[i], arguments.positional[i]);
    is_set[i] = true;
  }
  Value caller = Value::undefined("no caller defined");
  Dict::Entries extra;
  for (const auto& [key, value] : arguments.named) {
    const auto at = std::find(names.begin(), names.end(), key);
    if (at != names.end()) {
      const auto i = static_cast<std::size_t>(at - names.begin());
      if (is_set[i]) raise("macro '" + code.name + "' got multiple values for argument '" + key + "'");
      frame_->set(key, value);
      is_set[i] = true;
    } else if (key == "caller" && code.uses_caller) {
      caller = value;
    } else if (code.uses_kwargs) {
      extra.emplace_back(Value(key), value);
    } else {
      raise("macro '" + code.name + "' takes no keyword argument '" + key + "'");
    }
  }
  if (code.uses_caller && frame_->find("caller") == nullptr) frame_->set("caller", caller);
  if (code.uses_kwargs) frame_->set("kwargs", Value(std::move(extra)));
  if (code.uses_varargs) {
    const auto rest = arguments.positional.begin() + static_cast<std::ptrdiff_t>(std::min(given, names.size()));
    frame_->set("varargs", Value(std::vector<Value>(rest, arguments.positional.end()), SequenceKind::kTuple));
  }
  const std::size_t first_default = names.size() - code.defaults.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (is_set[i]) continue;
    frame_->set(names[i], i >= first_default ? evaluate(*code.defaults[i - first_default])
                                             : Value::undefined("parameter '" + names[i] + "' was not provided"));
  }
  Capture capture(*this);
  run(code.body);
  return Value(capture.take());
}

}  // namespace mlxr::text::jinja
