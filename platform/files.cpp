#include "platform/files.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

Result<void> sync_folder(const fs::path& folder) {
  FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  // Some network file systems refuse fsync on folders; there is nothing better to do on those.
  if (!fd || (::fsync(fd.get()) != 0 && errno != EINVAL)) return fail(os_error(errno, "Cannot sync " + folder.string()));
  return {};
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

}  // namespace

Error os_error(int errno_value, std::string what) {
  ErrorCode code = ErrorCode::kIo;
  switch (errno_value) {
    case ENOENT: code = ErrorCode::kNotFound; break;
    case EEXIST: code = ErrorCode::kAlreadyExists; break;
    case EACCES:
    case EPERM:
    case EROFS: code = ErrorCode::kPermission; break;
    case ENOSPC:
    case EDQUOT: code = ErrorCode::kNoSpace; break;
    default: break;
  }
  return {code, std::move(what) + ": " + std::generic_category().message(errno_value) + "."};
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int FileDescriptor::release() { return std::exchange(fd_, -1); }

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(release());
}

Result<std::string> read_file(const fs::path& file, std::uint64_t max_bytes) {
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(os_error(errno, "Cannot read " + file.string()));
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "Cannot read " + file.string()));
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > max_bytes) {
      return fail(ErrorCode::kInvalidArgument, file.string() + " is longer than " + std::to_string(max_bytes) + " bytes.");
    }
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

Result<void> write_all(int fd, std::string_view data, const fs::path& file_for_the_error) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "Cannot write " + file_for_the_error.string()));
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_file_atomically(const fs::path& file, std::string_view text, mode_t mode) {
  std::string temporary = file.string() + ".XXXXXX";
  FileDescriptor fd(::mkstemp(temporary.data()));
  if (!fd) return fail(os_error(errno, "Cannot write " + file.string()));
  auto done = write_all(fd.get(), text, file);
  if (done && ::fchmod(fd.get(), mode) != 0) done = fail(os_error(errno, "Cannot set the mode of " + file.string()));
  fd.reset();
  if (done) done = move_into_place(temporary, file);
  if (!done) ::unlink(temporary.c_str());
  return done;
}

Result<void> move_into_place(const fs::path& from, const fs::path& to) {
  FileDescriptor fd(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail(os_error(errno, "Cannot sync " + from.string()));
  if (::rename(from.c_str(), to.c_str()) != 0) return fail(os_error(errno, "Cannot move " + from.string() + " to " + to.string()));
  return sync_folder(folder_of(to));
}

Result<void> make_private_folder(const fs::path& folder) {
  std::error_code ec;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), ec);
  if (ec) return fail(os_error(ec.value(), "Cannot create " + folder.parent_path().string()));
  if (::mkdir(folder.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return fail(os_error(errno, "Cannot create " + folder.string()));

  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0) return fail(os_error(errno, "Cannot look at " + folder.string()));
  if (!S_ISDIR(info.st_mode))
    return fail(ErrorCode::kPermission, folder.string() + " is not a folder. Move it away, or choose another place with MLXR_HOME.");
  if (info.st_uid != ::geteuid()) {
    return fail(ErrorCode::kPermission, folder.string() + " belongs to user " + std::to_string(info.st_uid) + ", not to you (" +
                                            std::to_string(::geteuid()) + "). Choose another place with MLXR_HOME.");
  }
  if ((info.st_mode & 07777) != 0700 && ::chmod(folder.c_str(), 0700) != 0)
    return fail(os_error(errno, "Cannot make " + folder.string() + " private"));
  return {};
}

Result<std::uint64_t> free_space(const fs::path& path) {
  fs::path here = path;
  std::error_code ec;
  while (!fs::exists(here, ec) && here.has_relative_path()) here = here.parent_path();
  struct statvfs info{};
  if (::statvfs(here.c_str(), &info) != 0) return fail(os_error(errno, "Cannot ask for the free space of " + here.string()));
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

Result<FileLock> FileLock::acquire(const fs::path& file) {
  FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return fail(os_error(errno, "Cannot open the lock " + file.string()));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return fail(ErrorCode::kAlreadyExists, "Another process holds the lock " + file.string() + ".");
    return fail(os_error(errno, "Cannot lock " + file.string()));
  }
  return FileLock(std::move(fd));
}

}  // namespace mlxr::platform
