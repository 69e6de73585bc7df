// The repacked weights that the engine keeps in the cache folder (core/ops/panels.h, docs/files.md): lists and deletes them.
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
  std::string layout;      // for which kernels: "avx512-1-0.1.0"
  std::uint64_t size = 0;  // bytes
  std::string used_at;     // RFC 3339, UTC
};

// Sorted by use, the latest first. Empty when the folder does not exist.
std::vector<CachedWeights> cached_weights(const std::filesystem::path& cache);

// Deletes the weights of one model's file, or all when `sha256` is empty. Returns what it deleted. Errors: kPermission, kIo.
Result<std::vector<CachedWeights>> clear_cached_weights(const std::filesystem::path& cache, std::string_view sha256 = {});

}  // namespace mlxr::store
