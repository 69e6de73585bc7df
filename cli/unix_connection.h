// A connection to a Unix socket.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

#include "platform/files.h"

namespace mlxr::cli {

struct UnixConnection {
  platform::FileDescriptor descriptor;  // does not block
  int error = 0;                        // why it is not connected (errno); 0: it is
};

// Tries to connect, without waiting. Errors: kInvalidArgument (the path is too long), kIo (no descriptors are left).
Result<UnixConnection> connect_to(const std::filesystem::path& socket);

}  // namespace mlxr::cli
