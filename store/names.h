// Names that become file names, checked before they do.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

// One component of a path: letters, digits and ._-+ only, not starting with a dot, at most 128 bytes.
bool is_plain_name(std::string_view name);
// "smollm2:135m": plain names, one colon at most.
Result<void> check_model_name(std::string_view name);
// The folder of a model below its publisher: "smollm2@135m". No two names share one, since '@' is in none.
std::string folder_name(std::string_view model);
// True for "http://" and "https://".
bool is_address(std::string_view text);

}  // namespace mlxr::store
