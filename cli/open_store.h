// The store of this user's models.
#pragma once

#include <memory>

#include "cli/failure.h"
#include "store/store.h"

namespace mlxr::cli {

Outcome<std::unique_ptr<store::Store>> open_store();

}  // namespace mlxr::cli
