// The kept panels that this process has made or checked, so that a model which is loaded again is not read again for its checksums.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "platform/file_stamp.h"

namespace mlxr::ops {

// May be used from any thread.
class CheckedFiles {
 public:
  // The process's own.
  static CheckedFiles& all();

  // Marks an open file as used now, which is what Panels looks at when there are too many. Returns its new stamp.
  // A write in the same tick of the kernel's clock (a few milliseconds) changes it too: the time set here is finer than that.
  static platform::FileStamp mark_used(int fd);

  // True if the file had this stamp when it was added: nobody has written to it since.
  bool contains(const platform::FileStamp& stamp) const;
  // Replaces what was known of the same file.
  void add(const platform::FileStamp& stamp);

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, platform::FileStamp> stamps_;  // by device and inode
};

}  // namespace mlxr::ops
