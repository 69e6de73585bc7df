// Tables of the fields that a request may have. Fields that change the answer are obeyed, or refused by name; a field that asks for nothing
// is accepted (docs/api.md lists every field).
//
//   constexpr Field kFields[] = {
//     {.name = "model", .type = FieldType::kString, .required = true},
//     {.name = "temperature", .type = FieldType::kNumber, .low = 0, .high = 2},
//     unsupported("modalities", R"([["text"]])"),  // refused, except empty values and these
//     advisory("user"),                            // accepted and ignored
//   };
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "daemon/routes/api_error.h"

namespace mlxr::daemon {

using nlohmann::json;

enum class FieldType { kBoolean, kInteger, kNumber, kString, kArray, kObject, kAny, kUnsupported, kAdvisory };

struct Field {
  std::string_view name;
  FieldType type = FieldType::kAny;
  bool required = false;
  double low = std::numeric_limits<double>::lowest();  // of numbers
  double high = std::numeric_limits<double>::max();
  std::string_view neutral = {};  // of kUnsupported: a JSON array of values that ask for nothing, besides the empty ones
};

constexpr Field unsupported(std::string_view name, std::string_view neutral = {}) {
  return {.name = name, .type = FieldType::kUnsupported, .neutral = neutral};
}
// A hint that does not change the answer. Its value is not checked.
constexpr Field advisory(std::string_view name) { return {.name = name, .type = FieldType::kAdvisory}; }

// Whether a value asks for nothing in any field: null, false, 0, "", [] or {}.
bool is_empty_value(const json& value);

// Checks an object against its table. null counts as absent. `what` is a prefix for field names in messages, such as "messages[0].".
ApiResult<void> check_fields(const json& object, std::span<const Field> fields, std::string_view what = {});

// A request's body as a JSON object. Malformed text is refused with its position, and nesting deeper than 64.
ApiResult<json> parse_object(std::string_view body);

// A field's value if it is present and not null. Call check_fields first.
template <typename T>
std::optional<T> get(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<T>();
}

// An integer, clamped to the range of int, so that a very large value stays large. Call check_fields first.
std::optional<int> get_limited_int(const json& object, const char* name);

// JSON as text; bytes that are not UTF-8 become U+FFFD.
inline std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace mlxr::daemon
