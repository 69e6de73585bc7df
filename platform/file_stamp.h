// Properties of a file that change when its content does.
#pragma once

#include <cstdint>
#include <filesystem>

#include <sys/stat.h>

#include <mlxrunner/result.h>

namespace mlxr::platform {

// While they are the same, what was found out about the file's content is considered valid. Programs cannot set `changed_ns` (ctime), so a
// change is noticed even if the modification time was reset.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;
  static FileStamp of(const struct stat& info);
  // Errors: kNotFound, kPermission, kIo; kInvalidArgument (not a regular file).
  static Result<FileStamp> of(const std::filesystem::path& file);
};

}  // namespace mlxr::platform
