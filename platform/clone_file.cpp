#include "platform/clone_file.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/clonefile.h>
#else
#include <linux/fs.h>
#endif

#include "platform/files.h"

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kMode = 0644;

// True if the file system created `to` from the same blocks.
bool share_blocks(int from, const fs::path& to) {
#ifdef __APPLE__
  return ::fclonefileat(from, AT_FDCWD, to.c_str(), 0) == 0 && ::chmod(to.c_str(), kMode) == 0;
#else
  const FileDescriptor out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
  return out && ::ioctl(out.get(), FICLONE, from) == 0;
#endif
}

Result<void> copy_bytes(int from, const fs::path& to, const std::atomic<bool>* cancelled) {
  const FileDescriptor out(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
  if (!out) return fail(os_error(errno, "Cannot create " + to.string()));
  std::string piece(std::size_t{1} << 20, '\0');
  while (true) {
    if (cancelled != nullptr && *cancelled) return fail(ErrorCode::kCancelled, "The copy was cancelled.");
    const auto n = ::read(from, piece.data(), piece.size());
    if (n == 0) return {};
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "Cannot read the file that is copied to " + to.string()));
    if (auto written = write_all(out.get(), std::string_view(piece).substr(0, static_cast<std::size_t>(n)), to); !written) return written;
  }
}

}  // namespace

Result<void> clone_file(const fs::path& from, const fs::path& to, const std::atomic<bool>* cancelled) {
  std::error_code failed;
  if (is_there(to)) return fail(ErrorCode::kAlreadyExists, to.string() + " already exists.");
  const auto in = open_regular_file(from);
  if (!in) return fail(in.error());
  const fs::path part = to.string() + ".part";
  fs::remove(part, failed);  // of a copy that was interrupted
  auto done = share_blocks(in->get(), part) ? Result<void>() : copy_bytes(in->get(), part, cancelled);
  if (done) done = move_into_place(part, to);
  if (!done) fs::remove(part, failed);
  return done;
}

}  // namespace mlxr::platform
