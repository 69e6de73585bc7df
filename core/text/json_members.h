// Members of an object of tokenizer.json. The object may be null, which has none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/formats/folder/json_value.h"

namespace mlxr::text {

inline std::optional<std::string> text_member(const formats::Json* object, std::string_view name) {
  const auto* value = object ? object->find(name) : nullptr;
  return value && value->text() ? std::optional(*value->text()) : std::nullopt;
}

inline bool flag_member(const formats::Json* object, std::string_view name, bool otherwise) {
  const auto* value = object ? object->find(name) : nullptr;
  return value ? value->boolean().value_or(otherwise) : otherwise;
}

}  // namespace mlxr::text
