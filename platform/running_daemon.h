// Who serves a data folder: support/mlxrunnerd.lock is locked by its daemon for as long as that lives, and says its pid and where it
// listens. Clients whose environment names another socket (another XDG_RUNTIME_DIR, an edited `uds`) find the daemon through it.
#pragma once

#include <filesystem>
#include <optional>

#include <sys/stat.h>
#include <sys/types.h>

#include "platform/files.h"
#include "platform/paths.h"

namespace mlxr::platform {

struct RunningDaemon {
  pid_t pid = 0;                 // 0 while it is starting
  std::filesystem::path socket;  // empty while it is starting
};

std::filesystem::path daemon_lock_file(const Paths& paths);

// The daemon that holds the lock; nothing when no process does. Creates nothing, and may be called at any time from any process.
std::optional<RunningDaemon> running_daemon(const std::filesystem::path& lock_file);

// Takes the lock and writes this process's pid and `socket` into it. The lock is released by the end of the process, and by the
// destructor, which empties the file first. The file stays: without it, two daemons could lock two files of the same name.
class DaemonLock {
 public:
  // Errors: kAlreadyExists (another process holds it; see running_daemon), kPermission, kNoSpace, kIo.
  static Result<DaemonLock> acquire(const std::filesystem::path& file, const std::filesystem::path& socket);
  DaemonLock(DaemonLock&&) noexcept = default;
  DaemonLock& operator=(DaemonLock&&) = delete;
  ~DaemonLock();

  // Whether the file is still there. When it was removed or replaced, another daemon can start beside this one.
  bool is_in_place() const;

 private:
  DaemonLock(std::filesystem::path file, FileDescriptor fd) : file_(std::move(file)), fd_(std::move(fd)) {}
  std::filesystem::path file_;
  FileDescriptor fd_;
};

// Whether `file` was removed, or is another file than the one of `was`. False when the system cannot tell (a network disk is away).
bool is_gone(const std::filesystem::path& file, const struct stat& was);

}  // namespace mlxr::platform
