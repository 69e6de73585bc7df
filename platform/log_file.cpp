#include "platform/log_file.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mlxr::platform {

namespace fs = std::filesystem;

fs::path older_log(const fs::path& log) { return log.string() + ".1"; }

Result<FileDescriptor> open_log(const fs::path& log, std::uint64_t limit) {
  struct stat info{};
  if (::lstat(log.c_str(), &info) == 0 && S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) >= limit) {
    if (::rename(log.c_str(), older_log(log).c_str()) != 0) return fail(os_error(errno, "Cannot rename the log " + log.string()));
  }
  // O_NONBLOCK: a pipe in its place must not stop the daemon. It has no effect on a regular file.
  FileDescriptor fd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd) return fail(os_error(errno, "Cannot write the log " + log.string()));
  return fd;
}

Result<void> limit_own_log(const fs::path& log, std::uint64_t limit) {
  struct stat file{}, own{}, out{};
  const auto goes_to_log = [&file](int fd, struct stat& info) {
    return ::fstat(fd, &info) == 0 && info.st_dev == file.st_dev && info.st_ino == file.st_ino;
  };
  if (::lstat(log.c_str(), &file) != 0 || !S_ISREG(file.st_mode) || static_cast<std::uint64_t>(file.st_size) < limit) return {};
  if (!goes_to_log(STDERR_FILENO, own)) return {};
  const bool both = goes_to_log(STDOUT_FILENO, out);
  const auto fresh = open_log(log, limit);
  if (!fresh) return fail(fresh.error());
  if (::dup2(fresh->get(), STDERR_FILENO) < 0 || (both && ::dup2(fresh->get(), STDOUT_FILENO) < 0))
    return fail(os_error(errno, "Cannot write the log " + log.string()));
  return {};
}

}  // namespace mlxr::platform
