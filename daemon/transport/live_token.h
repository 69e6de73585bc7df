// The capability token as its file has it now: `mlx token rotate` revokes the old one at once, without a restart.
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

  // The token. The file is read again when it is another or was changed since the last call, and made when it is missing.
  // Errors: those of platform::capability_token.
  Result<std::string> read();

 private:
  const platform::Paths paths_;
  std::mutex mutex_;
  struct stat seen_{};
  Result<std::string> token_ = std::string();
};

}  // namespace mlxr::daemon
