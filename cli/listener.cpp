#include "cli/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "platform/files.h"

namespace mlxr::cli {
namespace {

pid_t pid_at_the_other_end(int descriptor) {
#if defined(__linux__)
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
#else
  pid_t pid = 0;
  socklen_t size = sizeof pid;
  return getsockopt(descriptor, SOL_LOCAL, LOCAL_PEERPID, &pid, &size) == 0 ? pid : 0;
#endif
}

}  // namespace

Result<std::optional<Listener>> find_listener(const std::filesystem::path& socket) {
  const std::string& path = socket.native();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, "The socket's path is too long for this system: " + path + ". Choose a shorter `uds`.");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

  const platform::FileDescriptor descriptor(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!descriptor) return fail(platform::os_error(errno, "Cannot create a socket"));
  ::fcntl(descriptor.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(descriptor.get(), F_SETFL, O_NONBLOCK);
  if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return Listener{pid_at_the_other_end(descriptor.get())};
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED: return std::nullopt;
    case EAGAIN: return Listener{};  // its queue of connections is full
    default: return fail(platform::os_error(errno, "Cannot connect to mlxrunnerd on " + path));
  }
}

}  // namespace mlxr::cli
