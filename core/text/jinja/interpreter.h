// Runs a parsed template. One Interpreter is used for one rendering; it is single-threaded and owns everything that the template makes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/jinja/ast.h"
#include "core/text/jinja/budget.h"
#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

// The variables of one scope. A scope sees its parents' variables and never changes them.
struct Frame {
  std::vector<std::pair<std::string, Value>> variables;
  std::shared_ptr<Frame> parent;

  const Value* find(std::string_view name) const;  // in this scope only
  void set(std::string_view name, Value value);
};
using FramePtr = std::shared_ptr<Frame>;

class Interpreter {
 public:
  // The budget must be the current one, and outlive the Interpreter.
  Interpreter(Budget& budget, std::size_t output_limit, Value context);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  MarkedText render(const Body& body);
  int line() const { return line_; }

  // For builtins.
  Value call(const Value& callee, Arguments arguments);
  Value attribute(const Value& object, std::string_view name);  // object.name
  Value item(const Value& object, const Value& key);            // object[key]
  Value filter(std::string_view name, const Value& input, const Arguments& arguments);
  bool test(std::string_view name, const Value& input, const Arguments& arguments);
  void spend(std::size_t steps) { budget_.spend(steps); }
  void keep(FramePtr frame) { kept_frames_.push_back(std::move(frame)); }
  Value make_namespace(const Arguments& arguments);

  // For macros and loops.
  Value call_macro(const MacroCode& code, const FramePtr& definition, const Arguments& arguments);
  MarkedText loop_recursion(const Stmt& loop, const Value& items, const FramePtr& outer, int depth);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  // Counts nested evaluation: expressions, blocks and calls, all against one limit, which keeps within half of the 512 KB of stack that
  // a thread has on macOS.
  class Deeper {
   public:
    explicit Deeper(Interpreter& in);
    ~Deeper() { --in_.nesting_; }
    Deeper(const Deeper&) = delete;

   private:
    static constexpr int kMaxNesting = 250;
    Interpreter& in_;
  };
  class NewFrame;  // a scope for as long as it lives
  class Capture;   // collects output

  Flow run(const Body& body);
  Flow run(const Stmt& stmt);
  Flow run_if(const Stmt& stmt);
  void run_for(const Stmt& stmt, const Value& iterable, int depth);
  void run_set_block(const Stmt& stmt);
  void run_scope(const Stmt& stmt);
  void run_call_block(const Stmt& stmt);
  MarkedText captured(const Body& body);
  void write(const MarkedText& text);
  void assign(const Expr& target, const Value& value);
  void assign_namespace(const Expr& target, const Value& value);

  Value evaluate(const Expr& e);
  Value name(const Expr& e);
  Value container(const Expr& e);
  Value slice(const Expr& e);
  Value call(const Expr& e);
  Value filter(const Expr& e, const Value& input);
  Value filters_of_block(const Expr* e, Value input);
  Value compare_chain(const Expr& e);
  Value concat(const Expr& e);
  Arguments arguments(const CallArguments& call);

  Budget& budget_;
  std::size_t output_limit_;
  int nesting_ = 0;
  int line_ = 0;
  // The output of the innermost block whose output is collected. All blocks that are being collected count as memory.
  MarkedText output_;
  std::unique_ptr<Metered> output_memory_ = std::make_unique<Metered>(0);
  Value context_;
  FramePtr frame_;
  // Macros close over the scope that holds them: such cycles, and chains through namespaces, are taken apart at the end.
  std::vector<FramePtr> kept_frames_;
  std::vector<std::shared_ptr<Object>> namespaces_;
};

}  // namespace mlxr::text::jinja
