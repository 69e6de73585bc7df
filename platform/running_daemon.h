// The daemon of a data folder. It keeps support/mlxrunnerd.lock locked while it runs; the file has its pid and the path of its socket.
// Through it, clients find the daemon even if their environment names another socket (another XDG_RUNTIME_DIR, an edited `uds`).
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

  // Whether the file still exists. If it was removed or replaced, another daemon can start.
  bool is_in_place() const;

 private:
  DaemonLock(std::filesystem::path file, FileDescriptor fd) : file_(std::move(file)), fd_(std::move(fd)) {}
  std::filesystem::path file_;
  FileDescriptor fd_;
};

// Whether `file` was removed, or is not the file of `was`. False if the system cannot tell (a network disk is unavailable).
bool is_gone(const std::filesystem::path& file, const struct stat& was);

}  // namespace mlxr::platform
