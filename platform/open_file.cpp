#include "platform/open_file.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace mlxr::platform {
namespace {

std::int64_t modified_ns(const struct stat& info) {
#if defined(__APPLE__)
  const auto& time = info.st_mtimespec;
#else
  const auto& time = info.st_mtim;
#endif
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::unexpected<Error> cannot_open(const std::string& name, int error) {
  if (error == ENOENT || error == ENOTDIR) return fail(ErrorCode::kNotFound, "There is no file " + name + ".");
  auto failure = os_error(error, name + " cannot be read");
  if (failure.code == ErrorCode::kPermission) failure.message += " Give yourself read permission for it.";
  return fail(std::move(failure));
}

std::string_view kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "of another kind";
}

bool is_readable(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
#ifdef O_PATH
  if ((flags & O_PATH) != 0) return false;
#endif
  return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
}

}  // namespace

Result<OpenFile> OpenFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer. It has no effect on a regular file.
  FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) return cannot_open(path.string(), errno);
  return adopt(std::move(descriptor), path);
}

Result<OpenFile> OpenFile::adopt(FileDescriptor descriptor, std::filesystem::path name) {
  OpenFile file;
  file.descriptor_ = std::move(descriptor);
  file.name_ = std::move(name);
  const std::string shown = file.name_.string();
  if (::fstat(file.descriptor_.get(), &file.info_) != 0) return fail(os_error(errno, shown + " cannot be examined"));
  if (S_ISDIR(file.info_.st_mode)) return fail(ErrorCode::kUnsupported, shown + " is a folder. Name the .gguf file in it.");
  if (!S_ISREG(file.info_.st_mode))
    return fail(ErrorCode::kUnsupported, shown + " is " + std::string(kind_of(file.info_.st_mode)) + ", not a regular file.");
  if (!is_readable(file.descriptor_.get())) return fail(ErrorCode::kPermission, shown + " is not open for reading.");
  if (file.info_.st_size == 0) return fail(ErrorCode::kCorrupt, shown + " is empty. Download it again.");
  return file;
}

Result<OpenFile> OpenFile::duplicate(int descriptor, std::filesystem::path name) {
  FileDescriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!copy) return cannot_open(name.string(), errno);
  return adopt(std::move(copy), std::move(name));
}

Result<void> OpenFile::read(std::uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t n = ::pread(descriptor_.get(), to.data(), to.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, name_.string() + " cannot be read"));
    if (n == 0) {
      return fail(ErrorCode::kCorrupt, name_.string() + " became shorter while it was read: it ended before byte " +
                                           std::to_string(offset + to.size()) + " and had " + std::to_string(size()) +
                                           " bytes when it was opened. Download or copy it again.");
    }
    offset += static_cast<std::uint64_t>(n);
    to = to.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

bool OpenFile::unchanged() const {
  struct stat now{};
  return ::fstat(descriptor_.get(), &now) == 0 && now.st_size == info_.st_size && modified_ns(now) == modified_ns(info_);
}

}  // namespace mlxr::platform
