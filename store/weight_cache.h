// The repacked weights that the engine keeps in the cache folder (core/ops/panels.h, docs/files.md): what there is, and how to be rid of
// it. Any of it can go at any time; what is in use stays in memory until its model is unloaded.
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

// The most recently used first. Empty when there is no folder.
std::vector<CachedWeights> cached_weights(const std::filesystem::path& cache);

// Deletes those of one model's file, or all when `sha256` is empty. Returns what it deleted. Errors: kPermission, kIo.
Result<std::vector<CachedWeights>> clear_cached_weights(const std::filesystem::path& cache, std::string_view sha256 = {});

}  // namespace mlxr::store
