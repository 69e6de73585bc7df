#include "daemon/transport/instance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace mlxr::daemon {
namespace {

std::string reason() { return std::strerror(errno); }

ErrorCode code_of_errno() { return errno == EACCES || errno == EPERM || errno == EROFS ? ErrorCode::kPermission : ErrorCode::kIo; }

Result<void> make_private_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);  // a failure shows in mkdir
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(code_of_errno(), "The folder for the socket, " + folder.string() + ", cannot be made: " + reason() + ".");
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0)
    return fail(code_of_errno(), "The folder " + folder.string() + " cannot be read: " + reason() + ".");
  if (!S_ISDIR(info.st_mode)) return fail(ErrorCode::kInvalidArgument, folder.string() + " is in the way: it is not a folder.");
  if (info.st_uid != ::geteuid())
    return fail(ErrorCode::kPermission,
                "The folder " + folder.string() + " belongs to another user; choose another with `uds` in server.yaml.");
  // Ours, and open to others: close it, as ssh's folder would be.
  if ((info.st_mode & 077) != 0 && ::chmod(folder.c_str(), 0700) != 0)
    return fail(code_of_errno(),
                "The folder " + folder.string() + " is open to other users and its mode cannot be changed: " + reason() + ".");
  return {};
}

std::string read_pid(int descriptor) {
  char text[32] = {};
  const auto n = ::pread(descriptor, text, sizeof text - 1, 0);
  std::string pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!pid.empty() && (pid.back() < '0' || pid.back() > '9')) pid.pop_back();
  return pid;
}

Result<int> take_lock(const std::filesystem::path& file, const std::filesystem::path& socket) {
  const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return fail(code_of_errno(), "The lock file " + file.string() + " cannot be opened: " + reason() + ".");
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const auto why = errno;
    const auto pid = read_pid(lock);
    ::close(lock);
    if (why != EWOULDBLOCK)
      return fail(ErrorCode::kIo, "The lock file " + file.string() + " cannot be locked: " + std::strerror(why) + ".");
    return fail(ErrorCode::kAlreadyExists, "mlxrunnerd is already running" + (pid.empty() ? "" : " (pid " + pid + ")") + " on " +
                                               socket.string() + ". Stop it first with: kill " + (pid.empty() ? "PID" : pid));
  }
  const auto pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const auto why = reason();
    ::close(lock);
    return fail(ErrorCode::kIo, "The lock file " + file.string() + " cannot be written: " + why + ".");
  }
  return lock;
}

// Only the holder of the lock comes here, so a socket that lies there is a dead daemon's.
Result<void> remove_stale(const std::filesystem::path& socket) {
  struct stat info{};
  if (::lstat(socket.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return fail(ErrorCode::kInvalidArgument,
                socket.string() + " exists and is not a socket. It was left alone: move it, or set `uds` in server.yaml.");
  if (::unlink(socket.c_str()) != 0)
    return fail(code_of_errno(), "The old socket " + socket.string() + " cannot be removed: " + reason() + ".");
  return {};
}

Result<int> listen_on(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto& name = socket.native();
  if (name.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, "The socket's path is too long (" + std::to_string(name.size()) +
                                                 " bytes; the system allows " + std::to_string(sizeof address.sun_path - 1) + "): " + name);
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (descriptor < 0) return fail(ErrorCode::kIo, "No socket can be made: " + reason() + ".");
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  // The folder is 0700, so nobody else reaches the socket between bind and chmod.
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::chmod(name.c_str(), 0600) != 0 ||
      ::listen(descriptor, SOMAXCONN) != 0) {
    const auto code = code_of_errno();
    const auto why = reason();
    ::close(descriptor);
    return fail(code, "mlxrunnerd cannot listen on " + name + ": " + why + ".");
  }
  return descriptor;
}

}  // namespace

Result<Instance> Instance::claim(const std::filesystem::path& socket) {
  if (auto made = make_private_folder(socket.parent_path()); !made) return fail(made.error());
  auto lock = take_lock(socket.string() + ".lock", socket);
  if (!lock) return fail(lock.error());
  if (auto removed = remove_stale(socket); !removed) {
    ::close(*lock);
    return fail(removed.error());
  }
  auto listener = listen_on(socket);
  if (!listener) {
    ::close(*lock);
    return fail(listener.error());
  }
  Instance instance(socket, *lock);
  instance.listener_ = *listener;
  return instance;
}

Instance::Instance(Instance&& other) noexcept
    : socket_(std::move(other.socket_)), lock_(std::exchange(other.lock_, -1)), listener_(std::exchange(other.listener_, -1)) {}

Instance::~Instance() {
  if (listener_ >= 0) ::close(listener_);
  if (lock_ < 0) return;
  ::unlink(socket_.c_str());
  ::close(lock_);  // the lock file stays: removing it would let two daemons lock two files of the same name
}

int Instance::release_listener() { return std::exchange(listener_, -1); }

bool peer_is_same_user(int descriptor) {
#if defined(__linux__)
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
#else
  uid_t uid = 0;
  gid_t gid = 0;
  return ::getpeereid(descriptor, &uid, &gid) == 0 && uid == ::geteuid();
#endif
}

}  // namespace mlxr::daemon
