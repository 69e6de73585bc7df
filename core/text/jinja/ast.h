// A parsed template: what the evaluator walks. Immutable after parsing, so that any number of threads may render it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;       // f(*args)
  ExprPtr star_star;  // f(**kwargs)
};

struct Expr {
  enum class Kind {
    kConst,        // value
    kName,         // text
    kTuple,        // parts
    kList,         // parts
    kDict,         // parts: key, value, key, value, ...
    kAttribute,    // parts[0].text
    kItem,         // parts[0][parts[1]]
    kSlice,        // parts[0][parts[1]:parts[2]:parts[3]], each bound may be null
    kCall,         // parts[0](arguments)
    kFilter,       // parts[0] | text(arguments); parts[0] is null where a block's output comes in
    kTest,         // parts[0] is text(arguments)
    kNot,          // not parts[0]
    kNegate,       // -parts[0]
    kPlus,         // +parts[0]
    kArithmetic,   // parts[0] text parts[1]
    kConcat,       // parts[0] ~ parts[1] ~ ...
    kCompare,      // parts[0] ops[0] parts[1] ops[1] parts[2] ...
    kAnd,          // parts[0] and parts[1]
    kOr,           // parts[0] or parts[1]
    kConditional,  // parts[0] if parts[1] else parts[2], which may be null
  };
  Kind kind;
  int line;
  std::string text;
  Value value;
  std::vector<ExprPtr> parts;
  std::vector<std::string> ops;
  CallArguments arguments;
  int depth = 1;  // nodes from here to the deepest leaf
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

// The signature and body of a macro or of a call block.
struct MacroCode {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // for the last parameters
  Body body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Stmt {
  enum class Kind {
    kText,         // text
    kOutput,       // expr
    kFor,          // for target in expr if condition: body, else other; recursive
    kIf,           // branches in order; other
    kSet,          // target = expr
    kSetBlock,     // target = body, through the filters of expr (may be null)
    kMacro,        // macro
    kCallBlock,    // expr is the call; macro is what `caller` runs
    kFilterBlock,  // body through the filters of expr
    kScope,        // targets[i] = values[i], then body, in a scope of its own
    kBreak,
    kContinue,
  };
  Kind kind;
  int line;
  std::string text;
  ExprPtr target, expr, condition;
  std::vector<std::pair<ExprPtr, Body>> branches;
  std::vector<ExprPtr> targets, values;
  Body body, other;
  bool recursive = false;
  std::unique_ptr<MacroCode> macro;
};

}  // namespace mlxr::text::jinja
