#include "platform/running_daemon.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

// "PID\nSOCKET\n"
RunningDaemon parse(std::string_view text) {
  RunningDaemon daemon;
  const auto end = text.find('\n');
  if (end == std::string_view::npos || !text.ends_with('\n')) return daemon;
  std::from_chars(text.data(), text.data() + end, daemon.pid);
  text.remove_prefix(end + 1);
  if (!text.empty()) daemon.socket = text.substr(0, text.size() - 1);
  return daemon;
}

// running_daemon() locks the file briefly to test whether it is free; a daemon that starts at that moment tries again.
bool lock(int fd) {
  constexpr int kAttempts = 20;
  for (int attempt = 0; ::flock(fd, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EINTR && (errno != EWOULDBLOCK || attempt == kAttempts)) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

fs::path daemon_lock_file(const Paths& paths) { return paths.support / "mlxrunnerd.lock"; }

std::optional<RunningDaemon> running_daemon(const fs::path& lock_file) {
  const FileDescriptor fd(::open(lock_file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return std::nullopt;
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  return parse(read_file(lock_file, 65536).value_or(""));
}

Result<DaemonLock> DaemonLock::acquire(const fs::path& file, const fs::path& socket) {
  FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail(os_error(errno, "Cannot open the lock file " + file.string()));
  if (!lock(fd.get())) {
    if (errno != EWOULDBLOCK) return fail(os_error(errno, "Cannot lock " + file.string()));
    const auto running = running_daemon(file).value_or(RunningDaemon{});
    return fail(ErrorCode::kAlreadyExists,
                "mlxrunnerd is already running" + (running.pid == 0 ? "" : " (pid " + std::to_string(running.pid) + ")") +
                    (running.socket.empty() ? "" : " on " + running.socket.string()) + ". Stop it with: mlx stop");
  }
  const auto text = std::to_string(::getpid()) + "\n" + socket.string() + "\n";
  if (::ftruncate(fd.get(), 0) != 0) return fail(os_error(errno, "Cannot write the lock file " + file.string()));
  if (auto written = write_all(fd.get(), text, file); !written) return fail(written.error());
  return DaemonLock(file, std::move(fd));
}

DaemonLock::~DaemonLock() {
  if (fd_ && ::ftruncate(fd_.get(), 0) != 0) return;  // readers see that the lock is free, whatever the file says
}

bool DaemonLock::is_in_place() const {
  struct stat own{};
  return ::fstat(fd_.get(), &own) != 0 || !is_gone(file_, own);
}

bool is_gone(const fs::path& file, const struct stat& was) {
  struct stat there{};
  if (::lstat(file.c_str(), &there) != 0) return errno == ENOENT || errno == ENOTDIR;
  return there.st_dev != was.st_dev || there.st_ino != was.st_ino;
}

}  // namespace mlxr::platform
