// JSON in and out of values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

// Raises for text that is not JSON, for integers past 64 bits and for deep nesting. Keys keep their order.
Value parse_json(std::string_view text);

// Python's json.dumps(value, ensure_ascii=False, ...).
struct JsonStyle {
  std::optional<std::string> indent;  // one level's text; without it all stands in one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
std::string to_json(const Value& value, const JsonStyle& style);

}  // namespace mlxr::text::jinja
