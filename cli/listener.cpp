#include "cli/listener.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

#include "cli/unix_connection.h"

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
  const auto connection = connect_to(socket);
  if (!connection) return fail(connection.error());
  switch (connection->error) {
    case 0: return Listener{pid_at_the_other_end(connection->descriptor.get())};
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED: return std::nullopt;
    case EAGAIN: return Listener{};  // its queue of connections is full
    default: return fail(platform::os_error(connection->error, "Cannot connect to mlxrunnerd on " + socket.string()));
  }
}

}  // namespace mlxr::cli
