// A log that stays small: when it is full it is renamed to <name>.1, over the one before, and a new one begins.
#pragma once

#include <cstdint>
#include <filesystem>

#include <mlxrunner/result.h>

#include "platform/files.h"

namespace mlxr::platform {

constexpr std::uint64_t kLogLimit = std::uint64_t{8} << 20;  // bytes of one file

std::filesystem::path older_log(const std::filesystem::path& log);  // <name>.1

// Opens the log for appending; it is created with mode 0600. Errors: kPermission, kNoSpace, kIo.
Result<FileDescriptor> open_log(const std::filesystem::path& log, std::uint64_t limit = kLogLimit);

// Lets a full log begin anew where this process's stderr goes to it, whoever opened it (mlx, launchd, a shell); stdout follows. Does
// nothing where stderr goes elsewhere.
Result<void> limit_own_log(const std::filesystem::path& log, std::uint64_t limit = kLogLimit);

}  // namespace mlxr::platform
