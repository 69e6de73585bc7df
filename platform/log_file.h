// A log of limited size: when it is full it is renamed to <name>.1, replacing the previous one, and a new log begins.
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

// If this process's stderr is the log (opened by mlx, launchd or a shell) and it is full, starts a new log for stderr and stdout. Does
// nothing if stderr is another file.
Result<void> limit_own_log(const std::filesystem::path& log, std::uint64_t limit = kLogLimit);

}  // namespace mlxr::platform
