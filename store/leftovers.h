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
  std::string name;                          // of the model; of the file where an older MLXR put it into quarantine
  std::filesystem::path path;                // a folder, or a file
  std::vector<std::filesystem::path> files;  // what MLXR wrote there; other files stay
  std::uint64_t size = 0;                    // bytes that arrived, without the files that keep track of them
};

// The folder of one shard's unfinished download in a folder `.partial`; shards are counted from 1.
std::filesystem::path partial_of_shard(const std::filesystem::path& partial, std::size_t number);
// The unfinished download in a folder `.partial`; without files when there is none.
Leftover unfinished_download(const std::filesystem::path& partial);

// By name. Empty when there is none, or no folder to look in.
std::vector<Leftover> find_leftovers(const platform::Paths& paths);

// Removes their files, and the folders below models/ and quarantine/ that are empty then. The caller holds the models' locks.
// Errors: the first, kPermission or kIo; the others are removed nevertheless.
Result<void> remove_leftovers(const platform::Paths& paths, const std::vector<Leftover>& leftovers);

// Removes `folder` and the folders above it that are empty, up to `top`, which stays. Does nothing when `folder` is not below `top`.
void remove_empty_folders(std::filesystem::path folder, const std::filesystem::path& top);

// Whether `path` is below `folder`; compares only the paths' text.
bool is_below(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace mlxr::store
