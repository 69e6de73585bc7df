// All that MLXR keeps for this user on this machine (docs/files.md), and how it goes: what `mlx uninstall` shows and removes.
//
//   auto belongings = store::find_belongings(paths, socket);
//   auto left       = store::remove_belongings(paths, *belongings, true);
//
// Only names that MLXR gives are removed. A symbolic link is removed, what it points to is not. A file that was imported where it lies is
// never touched, wherever that is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::store {

struct Belonging {
  std::filesystem::path path;  // a file, a folder or a link
  std::uint64_t size = 0;      // bytes of all that goes with it
};

struct Belongings {
  std::vector<Belonging> data;                  // settings, and what is made again when it is needed
  std::vector<Belonging> models;                // the models' folder, and the registry that lists them
  int model_count = 0;                          // models whose files go with the folder
  std::uint64_t model_bytes = 0;                // in the folder; more than 0 also for downloads that are not finished
  std::vector<std::filesystem::path> in_place;  // the files that were imported where they lie
};

// Errors: kVersion, kCorrupt, kIo, kPermission: the registry cannot be read, so it is not known which files are the user's own.
// `socket`: where the daemon listens, which may be elsewhere than paths.socket; the folder there is the user's own.
Result<Belongings> find_belongings(const platform::Paths& paths, const std::filesystem::path& socket);

// Removes the data, and the models where `models` says so. The daemon must not run. Goes on after a failure, so that as much as possible
// goes. Returns the folders of MLXR that stay because something else is in them. Errors: the first one, kPermission or kIo.
Result<std::vector<std::filesystem::path>> remove_belongings(const platform::Paths& paths, const Belongings& belongings, bool models);

}  // namespace mlxr::store
