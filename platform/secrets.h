// The capability token: 32 random bytes as 64 hex digits in a file that only its owner can read. Whoever has it may use the daemon over
// TCP.
#pragma once

#include <filesystem>
#include <string>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::platform {

// The token's file: support/capability_token.
std::filesystem::path token_file(const Paths& paths);

// The token; it is created at the first call. Two processes that call at the same time get the same one.
// Errors: kPermission (others can read the file, or it is not ours), kCorrupt (not 64 hex digits), kIo.
Result<std::string> capability_token(const Paths& paths);

// Replaces the token; the daemon reads the file for every request, so the old token stops working at once.
Result<std::string> rotate_capability_token(const Paths& paths);

}  // namespace mlxr::platform
