#include "platform/file_stamp.h"

#include <cerrno>

#include "platform/files.h"

namespace mlxr::platform {
namespace {

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

}  // namespace

FileStamp FileStamp::of(const struct stat& info) {
#ifdef __APPLE__
  const auto &modified = info.st_mtimespec, &changed = info.st_ctimespec;
#else
  const auto &modified = info.st_mtim, &changed = info.st_ctim;
#endif
  return {.size = static_cast<std::uint64_t>(info.st_size),
          .modified_ns = nanoseconds(modified),
          .changed_ns = nanoseconds(changed),
          .device = static_cast<std::uint64_t>(info.st_dev),
          .inode = static_cast<std::uint64_t>(info.st_ino)};
}

Result<FileStamp> FileStamp::of(const std::filesystem::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return fail(os_error(errno, "Cannot examine " + file.string()));
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kInvalidArgument, file.string() + " is not a file.");
  return of(info);
}

}  // namespace mlxr::platform
