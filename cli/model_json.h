// Models and catalogue entries as JSON, for --json.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cli/failure.h"
#include "store/store.h"

namespace mlxr::cli {

// The store of this user.
Outcome<std::unique_ptr<store::Store>> open_store();

nlohmann::ordered_json to_json(const store::ModelRecord& model);
nlohmann::ordered_json to_json(const store::CatalogueEntry& entry, bool installed);

// Writes JSON, indented, to stdout. Text that is not UTF-8 (a file's name can be anything) is replaced, never fatal.
Status print_json(const nlohmann::ordered_json& value);

}  // namespace mlxr::cli
