// Where MLXR keeps things (docs/files.md has the table). With MLXR_HOME=DIR everything lies under DIR; tests always set it.
#pragma once

#include <filesystem>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::platform {

struct Paths {
  std::filesystem::path support;   // registry.sqlite and models/
  std::filesystem::path models;    // support/models
  std::filesystem::path cache;     // data that can be made again
  std::filesystem::path config;    // server.yaml
  std::filesystem::path socket;    // mlxrunner.sock
  std::filesystem::path logs;      // mlxrunnerd.log, history
  std::filesystem::path registry;  // registry.sqlite
  // What has the daemon started at login, where it is there: launchd's property list, or systemd's link. Empty with MLXR_HOME.
  std::filesystem::path login_item;
  // macOS: where people and other programs look, and what is there (docs/macos.md). links.h makes them.
  struct Link {
    std::filesystem::path at, target;
  };
  std::vector<Link> links;

  // All of it below two folders, as with MLXR_HOME.
  static Paths below(const std::filesystem::path& support, const std::filesystem::path& logs);

  // Reads MLXR_HOME, the XDG variables (Linux) and HOME. Creates nothing.
  // Errors: kInvalidArgument (a variable holds a relative path; no home folder; the socket's path is longer than the platform allows).
  static Result<Paths> from_environment();
};

}  // namespace mlxr::platform
