#include "store/names.h"

#include <algorithm>

namespace mlxr::store {

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '+';
  };
  return !name.empty() && name.size() <= 128 && name.front() != '.' && std::all_of(name.begin(), name.end(), plain);
}

Result<void> check_model_name(std::string_view name) {
  const auto colon = name.find(':');
  if (is_plain_name(name.substr(0, colon)) && (colon == std::string_view::npos || is_plain_name(name.substr(colon + 1)))) return {};
  return fail(ErrorCode::kInvalidArgument,
              "'" + std::string(name) +
                  "' cannot be a model's name. Use letters, digits and ._-+ with one colon at most, for example smollm2:135m.");
}

std::string folder_name(std::string_view model) {
  std::string out(model);
  std::replace(out.begin(), out.end(), ':', '@');
  return out;
}

bool is_address(std::string_view text) { return text.starts_with("https://") || text.starts_with("http://"); }

}  // namespace mlxr::store
