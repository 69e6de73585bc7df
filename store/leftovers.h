// Files that a pull leaves that are not models: unfinished downloads, and files that failed verification (docs/files.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::store {

struct Leftover {
  enum class Kind {
    kUnfinished,   // models/PUBLISHER/NAME/.partial: the next pull of the model continues it
    kQuarantined,  // quarantine/NAME/FILE.TIME: never used again
  };
  Kind kind = Kind::kUnfinished;
  std::string name;            // of the model; of the file if an older MLXR quarantined it
  std::filesystem::path path;  // a folder, or a file
  std::uint64_t size = 0;      // bytes
};

// Sorted by name. Empty if there are none, or if the folders do not exist.
std::vector<Leftover> find_leftovers(const platform::Paths& paths);

// Removes them, and the folders below models/ and quarantine/ that are empty then. The caller holds the models' locks.
// Continues after a failure. Errors: the first failure, kPermission or kIo.
Result<void> remove_leftovers(const platform::Paths& paths, const std::vector<Leftover>& leftovers);

// Removes `folder` and the folders above it that are empty, up to `top`, which stays. Does nothing when `folder` is not below `top`.
void remove_empty_folders(std::filesystem::path folder, const std::filesystem::path& top);

// Whether `path` is below `folder`; compares only the paths' text.
bool is_below(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace mlxr::store
