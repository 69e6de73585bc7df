// Descriptors that come with the bytes of a Unix socket (SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <vector>

#include "platform/files.h"

namespace mlxr::daemon {

struct ReceivedFiles {
  // More than any request may have (FolderFiles::kMost), so that too many are seen as such. The others are closed.
  static constexpr std::size_t kMost = 256;

  std::vector<std::shared_ptr<const platform::FileDescriptor>> files = {};
  bool is_cut = false;  // the system could not hand over all of them (MSG_CTRUNC): it had no descriptors left, or there were too many
};

// Reads the bytes that are there, like recv() without waiting, and adds the descriptors that came with them, which are closed on exec.
ssize_t receive_with_files(int socket, std::span<char> to, ReceivedFiles& received);

}  // namespace mlxr::daemon
