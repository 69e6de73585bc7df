// What MLXR wrote for this user on this machine (docs/files.md): what `mlx uninstall` shows and removes.
//
//   auto belongings = find_belongings(paths, socket);
//   auto stays      = remove_belongings(*belongings, true);
//
// A file belongs to MLXR when the registry says so, or when its name and its content do (a SHA-256 and the header of repacked weights, for
// example). Everything else in MLXR's folders belongs to the user and stays, as do files that were imported where they are. Folders are
// removed if they are empty; links to folders stay.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::cli {

struct Belonging {
  std::filesystem::path path;  // a file or a link
  std::uint64_t size = 0;      // bytes
};

struct Belongings {
  std::vector<Belonging> data;                  // settings, and files that MLXR can create again
  std::vector<Belonging> models;                // the files of models, unfinished downloads, and the registry
  int model_count = 0;                          // models whose files MLXR owns
  std::uint64_t model_bytes = 0;                // of models and unfinished downloads
  std::vector<std::filesystem::path> in_place;  // the files that were imported where they are
  std::vector<std::filesystem::path> folders;   // MLXR's, innermost first
};

// `socket`: where the daemon listens, which may be elsewhere than paths.socket; the folder there is the user's own.
// Errors: kVersion, kCorrupt, kIo, kPermission (without the registry it is unknown which files are MLXR's).
Result<Belongings> find_belongings(const platform::Paths& paths, const std::filesystem::path& socket);

// Removes the data, the models if `models` is true, and the folders that are then empty. The daemon must not be running. Continues after a
// failure, so that as much as possible is removed. Returns the folders that stay. Errors: the first failure, kPermission or kIo.
Result<std::vector<std::filesystem::path>> remove_belongings(const Belongings& belongings, bool models);

}  // namespace mlxr::cli
