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
  // Some network file systems refuse fsync on folders; there is no alternative. F_FULLFSYNC is for files.
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
  const auto reason = errno_value == ENOSPC ? "the disk is full" : std::generic_category().message(errno_value);
  return {code, std::move(what) + ": " + reason + "."};
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

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(fs::symlink_status(path, unknown));
}

Result<FileDescriptor> open_regular_file(const fs::path& file) {
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  const bool is_socket = !fd && errno == ENXIO;
  if (!is_socket && (!fd || ::fstat(fd.get(), &info) != 0)) return fail(os_error(errno, "Cannot read " + file.string()));
  if (is_socket || !S_ISREG(info.st_mode))
    return fail(ErrorCode::kInvalidArgument, file.string() + (S_ISDIR(info.st_mode) ? " is a folder." : " is not a regular file."));
  return fd;
}

Result<std::string> read_file(const fs::path& file, std::uint64_t max_bytes) {
  const auto fd = open_regular_file(file);
  if (!fd) return fail(fd.error());
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd->get(), buffer, sizeof(buffer));
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
  if (!fd) return fail(os_error(errno, "Cannot sync " + from.string()));
  if (auto synced = sync_to_disk(fd.get(), from); !synced) return synced;
  if (::rename(from.c_str(), to.c_str()) != 0) return fail(os_error(errno, "Cannot move " + from.string() + " to " + to.string()));
  return sync_folder(folder_of(to));
}

Result<void> sync_to_disk(int fd, const fs::path& file_for_the_error) {
#ifdef __APPLE__
  // macOS: fsync() hands the data to the drive, which may keep it in its cache. Some file systems do not have F_FULLFSYNC.
  if (::fcntl(fd, F_FULLFSYNC) == 0) return {};
#endif
  if (::fsync(fd) != 0) return fail(os_error(errno, "Cannot sync " + file_for_the_error.string()));
  return {};
}

Result<void> make_folders(const fs::path& folder, mode_t mode) {
  struct stat info{};
  if (::stat(folder.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return fail(ErrorCode::kPermission, folder.string() + " is not a folder.");
  }
  const auto parent = folder_of(folder);
  if (parent != folder) {
    if (auto made = make_folders(parent, 0755); !made) return made;
  }
  if (::mkdir(folder.c_str(), mode) == 0) return sync_folder(parent);
  if (errno == EEXIST && ::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};  // another process was faster
  return fail(os_error(errno, "Cannot create the folder " + folder.string()));
}

Result<void> make_private_folder(const fs::path& folder, std::string_view remedy) {
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0) {
    if (errno != ENOENT) return fail(os_error(errno, "Cannot open the folder " + folder.string()));
    if (auto made = make_folders(folder, 0700); !made) return made;
    if (::lstat(folder.c_str(), &info) != 0) return fail(os_error(errno, "Cannot open the folder " + folder.string()));
  }
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kPermission, folder.string() + " " + why + " " + std::string(remedy));
  };
  const auto user = ::geteuid();
  const auto belongs_to_another = [&](const std::string& what) {
    const std::string owner = info.st_uid == 0 ? "root" : "user " + std::to_string(info.st_uid);
    return refuse(what + owner + ", not to you (user " + std::to_string(user) + "). " +
                  (info.st_uid == 0 ? "If you once ran MLXR with sudo, `mlx doctor` tells you how to get the folder back."
                   : user == 0      ? "Run MLXR as that user, not as root."
                                    : "It may be in use by that user."));
  };
  if (S_ISLNK(info.st_mode)) {
    if (info.st_uid != user && info.st_uid != 0) return belongs_to_another("is a link that belongs to ");
    if (::stat(folder.c_str(), &info) != 0)
      return fail(os_error(errno, "Cannot open the folder that the link " + folder.string() + " leads to"));
  }
  if (!S_ISDIR(info.st_mode)) return refuse("is not a folder. Move it away.");
  if (info.st_uid != user) return belongs_to_another("belongs to ");
  if ((info.st_mode & 022) != 0) {
    return refuse("can be changed by other users." +
                  ((info.st_mode & S_ISVTX) != 0 ? "" : " If only you should write to it, fix it: chmod go-w '" + folder.string() + "'."));
  }
  return {};
}

Result<std::uint64_t> free_space(const fs::path& path) {
  fs::path here = path;
  std::error_code ec;
  while (!fs::exists(here, ec) && here.has_relative_path()) here = here.parent_path();
  struct statvfs info{};
  if (::statvfs(here.c_str(), &info) != 0) return fail(os_error(errno, "Cannot determine the free space of " + here.string()));
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
