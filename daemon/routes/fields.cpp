#include "daemon/routes/fields.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace mlxr::daemon {
namespace {

constexpr int kDeepest = 64;

std::string_view type_name(FieldType type) {
  switch (type) {
    case FieldType::kBoolean: return "boolean";
    case FieldType::kInteger: return "integer";
    case FieldType::kNumber: return "number";
    case FieldType::kString: return "string";
    case FieldType::kArray: return "array";
    case FieldType::kObject: return "object";
    case FieldType::kAny:
    case FieldType::kUnsupported:
    case FieldType::kAdvisory: break;
  }
  return "value";
}

bool is_of(const json& value, FieldType type) {
  switch (type) {
    case FieldType::kBoolean: return value.is_boolean();
    case FieldType::kInteger:
      // 5.0 is an integer in JSON Schema, and some clients send it.
      return value.is_number_integer() || (value.is_number_float() && std::nearbyint(value.get<double>()) == value.get<double>() &&
                                           std::abs(value.get<double>()) < 1e15);
    case FieldType::kNumber: return value.is_number() && std::isfinite(value.get<double>());
    case FieldType::kString: return value.is_string();
    case FieldType::kArray: return value.is_array();
    case FieldType::kObject: return value.is_object();
    case FieldType::kAny:
    case FieldType::kUnsupported:
    case FieldType::kAdvisory: break;
  }
  return true;
}

std::string number_text(double value) {
  char text[32];
  const bool is_whole = std::nearbyint(value) == value && std::abs(value) < 1e15;
  std::snprintf(text, sizeof text, is_whole ? "%.0f" : "%g", value);
  return text;
}

bool asks_for_nothing(const json& value, const Field& field) {
  if (is_empty_value(value)) return true;
  if (field.neutral.empty()) return false;
  const auto neutral = json::parse(field.neutral);
  return std::ranges::find(neutral, value) != neutral.end();
}

// ", except as 1." or ".", for the error.
std::string exceptions_of(const Field& field) {
  if (field.neutral.empty()) return ".";
  std::string text;
  for (const auto& value : json::parse(field.neutral)) text += (text.empty() ? ", except as " : " or ") + value.dump();
  return text + ".";
}

ApiResult<void> check_range(const json& value, const Field& field, const std::string& name) {
  const double number = value.get<double>();
  if (number >= field.low && number <= field.high) return {};
  const bool has_low = field.low != std::numeric_limits<double>::lowest();
  const bool has_high = field.high != std::numeric_limits<double>::max();
  const auto range = field.low == field.high ? number_text(field.low)
                     : has_low && has_high   ? "from " + number_text(field.low) + " to " + number_text(field.high)
                     : has_low               ? "at least " + number_text(field.low)
                                             : "at most " + number_text(field.high);
  return std::unexpected(
      ApiError{.message = "\"" + name + "\" must be " + range + ", not " + value.dump() + ".", .field = name, .code = "out_of_range"});
}

}  // namespace

bool is_empty_value(const json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() == 0;
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.empty();  // null, and arrays and objects that hold nothing
}

std::optional<int> get_limited_int(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::nullopt;
  constexpr auto kLow = std::numeric_limits<int>::min(), kHigh = std::numeric_limits<int>::max();
  if (found->is_number_unsigned()) return static_cast<int>(std::min<std::uint64_t>(found->get<std::uint64_t>(), kHigh));
  if (found->is_number_integer()) return static_cast<int>(std::clamp<std::int64_t>(found->get<std::int64_t>(), kLow, kHigh));
  return static_cast<int>(std::clamp<double>(found->get<double>(), kLow, kHigh));
}

ApiResult<void> check_fields(const json& object, std::span<const Field> fields, std::string_view what) {
  for (const auto& [key, value] : object.items()) {
    const auto name = std::string(what) + key;
    const auto field = std::ranges::find(fields, std::string_view(key), &Field::name);
    if (field == fields.end())
      return std::unexpected(ApiError{.message = "Unknown field: \"" + name + "\".", .field = name, .code = "unknown_parameter"});
    if (value.is_null()) continue;
    if (field->type == FieldType::kUnsupported) {
      if (asks_for_nothing(value, *field)) continue;
      return std::unexpected(ApiError{
          .message = "\"" + name + "\" is not supported by MLXR" + exceptions_of(*field), .field = name, .code = "unsupported_parameter"});
    }
    if (!is_of(value, field->type))
      return std::unexpected(ApiError{.message = "\"" + name + "\" must be of type " + std::string(type_name(field->type)) + ".",
                                      .field = name,
                                      .code = "invalid_type"});
    if (value.is_number())
      if (auto checked = check_range(value, *field, name); !checked) return checked;
  }
  for (const auto& field : fields) {
    if (!field.required) continue;
    const auto found = object.find(std::string(field.name));
    if (found != object.end() && !found->is_null()) continue;
    const auto name = std::string(what) + std::string(field.name);
    return std::unexpected(ApiError{.message = "\"" + name + "\" is missing.", .field = name, .code = "missing_required_parameter"});
  }
  return {};
}

ApiResult<json> parse_object(std::string_view body) {
  bool too_deep = false;
  const auto guard = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) too_deep = true;
    return !too_deep;
  };
  const auto invalid = [](std::string message) { return std::unexpected(ApiError{.message = std::move(message), .code = "invalid_json"}); };
  try {
    auto value = json::parse(body, guard);
    if (too_deep) return invalid("The JSON of the request is nested deeper than " + std::to_string(kDeepest) + " levels.");
    if (!value.is_object()) return invalid("The request body must be a JSON object.");
    return value;
  } catch (const json::parse_error& error) {
    return invalid("The request body is not valid JSON: error at byte " + std::to_string(error.byte) + " of " +
                   std::to_string(body.size()) + ".");
  } catch (const json::exception&) {
    return invalid("The request body is not valid JSON.");
  }
}

}  // namespace mlxr::daemon
