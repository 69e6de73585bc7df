// Template source to syntax tree.
#pragma once

#include <string_view>

#include "core/text/jinja/ast.h"

namespace mlxr::text::jinja {

// Raises with the line for anything that is not a template, and for nesting that could exhaust the stack. `source` is valid UTF-8.
Body parse_template(std::string_view source);

}  // namespace mlxr::text::jinja
