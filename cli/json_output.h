// The output of --json.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/failure.h"

namespace mlxr::cli {

// Writes JSON, indented, to stdout. Invalid UTF-8 (possible in file names) is replaced.
Status print_json(const nlohmann::ordered_json& value);

}  // namespace mlxr::cli
