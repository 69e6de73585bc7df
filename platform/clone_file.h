// A copy of a file that takes no room where the file system can share the blocks (APFS, and Btrfs and XFS on Linux) until one of the two
// changes.
#pragma once

#include <atomic>
#include <filesystem>

#include <mlxrunner/result.h>

namespace mlxr::platform {

// Makes `to`, which must not exist, in a folder that does. It appears under its name when it is whole. Where blocks cannot be shared the
// bytes are copied, until `*cancelled` is set, if it is given.
// Errors: kNotFound, kAlreadyExists, kPermission, kNoSpace, kCancelled, kIo.
Result<void> clone_file(const std::filesystem::path& from, const std::filesystem::path& to, const std::atomic<bool>* cancelled = nullptr);

}  // namespace mlxr::platform
