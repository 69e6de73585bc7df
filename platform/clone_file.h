// Copies a file without using disk space, if the file system can share blocks between the two (APFS; Btrfs and XFS on Linux).
#pragma once

#include <atomic>
#include <filesystem>

#include <mlxrunner/result.h>

namespace mlxr::platform {

// Creates `to`, which must not exist, in an existing folder. It appears under its name only when it is complete. If blocks cannot be
// shared, the bytes are copied. `cancelled` may be null. Errors: kNotFound, kAlreadyExists, kPermission, kNoSpace, kCancelled, kIo.
Result<void> clone_file(const std::filesystem::path& from, const std::filesystem::path& to, const std::atomic<bool>* cancelled = nullptr);

}  // namespace mlxr::platform
