#include "cli/unix_connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace mlxr::cli {

Result<UnixConnection> connect_to(const std::filesystem::path& socket) {
  const std::string& path = socket.native();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, "The socket's path is too long for this system: " + path + ". Choose a shorter `uds`.");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

  UnixConnection connection{.descriptor = platform::FileDescriptor(::socket(AF_UNIX, SOCK_STREAM, 0))};
  const int descriptor = connection.descriptor.get();
  if (descriptor < 0) return fail(platform::os_error(errno, "Cannot create a socket"));
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) connection.error = errno;
  return connection;
}

}  // namespace mlxr::cli
