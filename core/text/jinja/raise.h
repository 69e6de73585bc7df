// How the engine stops a template that cannot go on. This is the only exception type of this folder: anything that evaluates or parses
// may throw it, and only chat_template.cpp catches it and turns it into an Error that names the line.
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
