// A pull: turns an Offer into a verified, installed file. If it is killed at any point, the next pull succeeds.
#pragma once

#include <string>

#include "platform/files.h"
#include "platform/paths.h"
#include "store/registry.h"
#include "store/store.h"

namespace mlxr::store {

// The steps after the license: lock, space, fetch, verify, move, register. Errors: those of Store::pull.
Result<ModelRecord> run_pull(const platform::Paths& paths, Registry& registry, const Offer& offer, const PullOptions& options);

// The lock that pull and remove hold on a model.
Result<platform::FileLock> lock_model(const platform::Paths& paths, const std::string& name);

}  // namespace mlxr::store
