// Where MLXR keeps things (docs/files.md has the table). With MLXR_HOME=DIR everything lies under DIR; tests always set it.
#pragma once

#include <filesystem>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::platform {

struct Paths {
  std::filesystem::path support;   // registry.sqlite and models/
  std::filesystem::path models;    // support/models
  std::filesystem::path cache;     // data that can be created again
  std::filesystem::path config;    // server.yaml
  std::filesystem::path socket;    // mlxrunner.sock
  std::filesystem::path logs;      // mlxrunnerd.log, history
  std::filesystem::path registry;  // registry.sqlite
  // The file that starts the daemon at login, if it exists: launchd's property list, or systemd's link. Empty with MLXR_HOME.
  std::filesystem::path login_item;
  // macOS: links at the usual places (docs/macos.md). links.h creates them.
  struct Link {
    std::filesystem::path at, target;
  };
  std::vector<Link> links;

  // All paths below two folders, as with MLXR_HOME.
  static Paths below(const std::filesystem::path& support, const std::filesystem::path& logs);

  // Reads MLXR_HOME, the XDG variables (Linux) and HOME. Creates nothing. XDG_RUNTIME_DIR counts only while it is a folder that belongs to
  // this user: `su` and `sudo` keep the variable of another user.
  // Errors: kInvalidArgument (a variable holds a relative path; no home folder).
  static Result<Paths> from_environment();
};

// A Unix socket's path may have 107 bytes on Linux and 103 on macOS. Errors: kInvalidArgument (longer; the message says both numbers).
Result<void> check_socket_path(const std::filesystem::path& socket);

}  // namespace mlxr::platform
