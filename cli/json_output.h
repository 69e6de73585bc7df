// The output of --json.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/failure.h"

namespace mlxr::cli {

// Writes JSON, indented, to stdout. Text that is not UTF-8 (a file's name can be anything) is replaced, never fatal.
Status print_json(const nlohmann::ordered_json& value);

}  // namespace mlxr::cli
