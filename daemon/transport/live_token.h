// The current content of the token's file: `mlx token rotate` revokes the old token at once, without a restart.
#pragma once

#include <sys/stat.h>

#include <mutex>
#include <string>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::daemon {

// May be used from any thread.
class LiveToken {
 public:
  explicit LiveToken(platform::Paths paths) : paths_(std::move(paths)) {}

  // The token. The file is read again if it was replaced or changed since the last call, and created if it is missing.
  // Errors: those of platform::capability_token.
  Result<std::string> read();

 private:
  const platform::Paths paths_;
  std::mutex mutex_;
  struct stat seen_{};
  Result<std::string> token_ = std::string();
};

}  // namespace mlxr::daemon
