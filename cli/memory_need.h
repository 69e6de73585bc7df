// How much memory a model takes on this machine, as mlxrunnerd says (`mlxrunnerd --memory-of`): with its settings and its kernels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "store/store.h"

namespace mlxr::cli {

struct MemoryNeed {
  std::uint64_t weights = 0;  // bytes
  std::uint64_t active = 0;   // bytes of them that a token reads
  std::uint64_t cache = 0;    // bytes, for `context` tokens
  std::uint64_t total = 0;    // bytes that must be in memory
  std::uint64_t context = 0;  // tokens
  std::uint64_t limit = 0;    // bytes that models may take
  bool fits = false;
  bool paged = false;       // `total` has the active weights alone: the others are read from disk when a token needs them
  std::string unpaged_why;  // why that cannot be done with a model that does not fit; empty: it is not a mixture of experts, or it fits
};

// Of a model file or folder, of which the description must be there. `sha256` is its own, empty where it is not known. Nothing when
// mlxrunnerd cannot tell: the model cannot run, or it is not installed.
std::optional<MemoryNeed> memory_need(const std::filesystem::path& model, const std::string& sha256 = "");
// Of what a pull would fetch. Nothing also where the source has whole files only.
std::optional<MemoryNeed> memory_need(const store::Offer& offer, const store::PullOptions& options);

// "1.3 GB of 16.4 GB (weights 538 MB, cache up to 755 MB for 8192 tokens)", and that it does not fit, or is read from disk in part.
std::string in_words(const MemoryNeed& need);
nlohmann::ordered_json to_json(const MemoryNeed& need);

}  // namespace mlxr::cli
