// The fields that a request may have, as a table: each is used, or refused by its name. Nothing is accepted and ignored.
//
//   constexpr Field kFields[] = {
//     {.name = "model", .type = FieldType::kString, .required = true},
//     {.name = "temperature", .type = FieldType::kNumber, .low = 0, .high = 2},
//     unsupported("logit_bias", "{}"),         // only its neutral value is accepted
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

enum class FieldType { kBoolean, kInteger, kNumber, kString, kArray, kObject, kAny, kUnsupported };

struct Field {
  std::string_view name;
  FieldType type = FieldType::kAny;
  bool required = false;
  double low = std::numeric_limits<double>::lowest();  // of numbers
  double high = std::numeric_limits<double>::max();
  std::string_view neutral = {};  // of kUnsupported: the JSON value that asks for nothing, which is accepted
};

constexpr Field unsupported(std::string_view name, std::string_view neutral = {}) {
  return {.name = name, .type = FieldType::kUnsupported, .neutral = neutral};
}

// Checks an object against its table. null counts as absent. `what` precedes a field's name: "messages[0]." or nothing.
ApiResult<void> check_fields(const json& object, std::span<const Field> fields, std::string_view what = {});

// A request's body as a JSON object. Malformed text is refused with its position, and nesting deeper than 64.
ApiResult<json> parse_object(std::string_view body);

// A field's value where it is there and not null. Only after check_fields.
template <typename T>
std::optional<T> get(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<T>();
}

// JSON as text; bytes that are not UTF-8 become U+FFFD.
inline std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace mlxr::daemon
