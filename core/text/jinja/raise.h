// How the engine leaves a template that cannot go on. The one exception type of this room: thrown by anything that evaluates or parses,
// caught in chat_template.cpp and nowhere else, where it becomes an Error that names the line.
#pragma once

#include <string>
#include <utility>

#include <mlxrunner/result.h>

namespace mlxr::text::jinja {

struct Raised {
  ErrorCode code;
  std::string message;
  int line = 0;  // 0: the line that is being evaluated
};

[[noreturn]] inline void raise(std::string message, int line = 0) { throw Raised{ErrorCode::kInvalidArgument, std::move(message), line}; }
[[noreturn]] inline void raise_limit(std::string message) { throw Raised{ErrorCode::kUnsupported, std::move(message)}; }

}  // namespace mlxr::text::jinja
