// The models in memory, for `mlx ps` and `mlx status`.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace mlxr::cli {

// "models" in the answer of GET /mlxr/status as a table, or a sentence if there are none.
std::string describe_loaded_models(const nlohmann::json& models);

}  // namespace mlxr::cli
