#include "daemon/transport/instance.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "platform/files.h"
#include "platform/paths.h"

namespace mlxr::daemon {
namespace {

constexpr std::string_view kRemedy = "Choose another place with `uds` in server.yaml.";

Result<sockaddr_un> address_of(const std::filesystem::path& socket) {
  if (auto short_enough = platform::check_socket_path(socket); !short_enough) return fail(short_enough.error());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.c_str(), socket.native().size() + 1);
  return address;
}

Result<platform::FileDescriptor> new_socket() {
  platform::FileDescriptor descriptor(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!descriptor) return fail(platform::os_error(errno, "Cannot create a socket"));
  ::fcntl(descriptor.get(), F_SETFD, FD_CLOEXEC);
  return descriptor;
}

// This process holds the socket's lock, so a listener there is not mlxrunnerd: `uds` names the socket of another program.
Result<void> remove_stale(const std::filesystem::path& socket, const sockaddr_un& address) {
  struct stat info{};
  if (::lstat(socket.c_str(), &info) != 0) return {};
  // A link to a socket, or to one that is gone, is what a daemon in a Mac's app group left (platform/links.h).
  const bool is_dead_link = S_ISLNK(info.st_mode) && ::stat(socket.c_str(), &info) != 0;
  if (!is_dead_link && !S_ISSOCK(info.st_mode)) {
    return fail(ErrorCode::kInvalidArgument,
                socket.string() + " exists and is not a socket. It was left alone. Move it, or set `uds` in server.yaml to another path.");
  }
  auto probe = new_socket();
  if (!probe) return fail(probe.error());
  if (::connect(probe->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return fail(ErrorCode::kAlreadyExists, "Another program listens on " + socket.string() + ". " + std::string(kRemedy));
  if (::unlink(socket.c_str()) != 0) return fail(platform::os_error(errno, "Cannot remove the old socket " + socket.string()));
  return {};
}

Result<platform::FileDescriptor> listen_on(const std::filesystem::path& socket, const sockaddr_un& address) {
  auto descriptor = new_socket();
  if (!descriptor) return descriptor;
  const auto before = ::umask(0177);  // nobody else can connect between bind and listen, in a folder that others may enter
  const bool listens = ::bind(descriptor->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                       ::listen(descriptor->get(), SOMAXCONN) == 0;
  const int error = errno;
  ::umask(before);
  if (!listens) return fail(platform::os_error(error, "mlxrunnerd cannot listen on " + socket.string()));
  return descriptor;
}

}  // namespace

Result<Instance> Instance::claim(const std::filesystem::path& data_lock, const std::filesystem::path& socket) {
  const auto address = address_of(socket);
  if (!address) return fail(address.error());
  if (auto made = platform::make_private_folder(data_lock.parent_path()); !made) return fail(made.error());
  auto of_data = platform::DaemonLock::acquire(data_lock, socket);
  if (!of_data) return fail(of_data.error());
  if (auto made = platform::make_private_folder(socket.parent_path(), kRemedy); !made) return fail(made.error());
  auto of_socket = platform::DaemonLock::acquire(socket.string() + ".lock", socket);
  if (!of_socket) return fail(of_socket.error());
  if (auto removed = remove_stale(socket, *address); !removed) return fail(removed.error());
  auto listener = listen_on(socket, *address);
  if (!listener) return fail(listener.error());

  Instance instance(socket, std::move(*of_data), std::move(*of_socket));
  instance.listener_ = listener->release();
  if (::lstat(socket.c_str(), &instance.file_) != 0) return fail(platform::os_error(errno, "Cannot examine the socket " + socket.string()));
  return instance;
}

Instance::Instance(Instance&& other) noexcept
    : socket_(std::move(other.socket_)),
      data_lock_(std::move(other.data_lock_)),
      socket_lock_(std::move(other.socket_lock_)),
      listener_(std::exchange(other.listener_, -1)),
      file_(std::exchange(other.file_, {})) {}

Instance::~Instance() {
  if (listener_ >= 0) ::close(listener_);
  remove_socket();
}

void Instance::remove_socket() const {
  if (file_.st_ino != 0 && !platform::is_gone(socket_, file_)) ::unlink(socket_.c_str());
}

int Instance::release_listener() { return std::exchange(listener_, -1); }

bool Instance::is_in_place() const { return !platform::is_gone(socket_, file_) && data_lock_.is_in_place(); }

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
