// Which process listens on the daemon's socket, according to the operating system. This works even if the daemon hangs.
#pragma once

#include <filesystem>
#include <optional>

#include <sys/types.h>

#include <mlxrunner/result.h>

namespace mlxr::cli {

struct Listener {
  pid_t pid = 0;  // 0 when the system does not say
};

// Nothing if no process listens there: the socket is missing (ENOENT) or its owner is gone (ECONNREFUSED).
// Errors: kPermission (this user may not connect), kInvalidArgument (the path is too long), kIo.
Result<std::optional<Listener>> find_listener(const std::filesystem::path& socket);

}  // namespace mlxr::cli
