#include "core/ops/checked_files.h"

#include <ctime>

#include <sys/stat.h>

namespace mlxr::ops {

using platform::FileStamp;

CheckedFiles& CheckedFiles::all() {
  static CheckedFiles files;
  return files;
}

FileStamp CheckedFiles::mark_used(int fd) {
  timespec times[2] = {};
  ::clock_gettime(CLOCK_REALTIME, &times[0]);
  times[1] = times[0];
  ::futimens(fd, times);
  struct stat info{};
  ::fstat(fd, &info);
  return FileStamp::of(info);
}

bool CheckedFiles::contains(const FileStamp& stamp) const {
  const std::lock_guard lock(mutex_);
  const auto found = stamps_.find({stamp.device, stamp.inode});
  return found != stamps_.end() && found->second == stamp;
}

void CheckedFiles::add(const FileStamp& stamp) {
  const std::lock_guard lock(mutex_);
  stamps_[{stamp.device, stamp.inode}] = stamp;
}

}  // namespace mlxr::ops
