// Models and catalogue entries as JSON, for --json.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace mlxr::store {
struct CatalogueEntry;
struct ModelRecord;
}  // namespace mlxr::store

namespace mlxr::cli {

nlohmann::ordered_json to_json(const store::ModelRecord& model);
nlohmann::ordered_json to_json(const store::CatalogueEntry& entry, bool installed);

}  // namespace mlxr::cli
