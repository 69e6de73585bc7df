// JSON in and out of values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

// Strings, keys among them, get the origin. Keys keep their order. Raises for text that is not JSON, for integers past 64 bits and for
// deep nesting. Takes time in proportion to the text.
Value parse_json(std::string_view text, Origin origin);

// Python's json.dumps().
struct JsonStyle {
  std::optional<std::string> indent;  // the text of one level; without it everything is on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
  bool ascii = false;  // other characters as \uXXXX
};
MarkedText to_json(const Value& value, const JsonStyle& style);

}  // namespace mlxr::text::jinja
