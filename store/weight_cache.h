// Lists and deletes the repacked weights that the engine keeps in the cache folder (core/ops/panels.h, docs/files.md).
// Any of the files can be deleted at any time; weights in use stay in memory until their model is unloaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::store {

struct CachedWeights {
  std::filesystem::path file;
  std::string sha256;      // of the model's file
  std::string layout;      // the kernels that they are for: "avx512-1-0.1.0"
  std::uint64_t size = 0;  // bytes
  std::string used_at;     // RFC 3339, UTC
};

// Sorted by last use, most recent first. Empty when the folder does not exist.
std::vector<CachedWeights> cached_weights(const std::filesystem::path& cache);

// Deletes the weights of one model's file, or all when `sha256` is empty. Returns what it deleted. Errors: kPermission, kIo.
Result<std::vector<CachedWeights>> clear_cached_weights(const std::filesystem::path& cache, std::string_view sha256 = {});

}  // namespace mlxr::store
