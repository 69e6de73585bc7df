#include "platform/service.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace mlxr::platform {
namespace {

// The protocol of sd_notify(3): one datagram to the socket that NOTIFY_SOCKET names; '@' stands for an abstract address.
void notify(std::string_view state) {
  const char* value = std::getenv("NOTIFY_SOCKET");
  if (value == nullptr) return;
  const std::string_view name(value);
  sockaddr_un address{};
  if (name.empty() || name.size() >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  // A failure cannot be reported; the service manager's timeout covers it.
  [[maybe_unused]] const auto sent = ::sendto(fd, state.data(), state.size(), 0, reinterpret_cast<const sockaddr*>(&address), length);
  ::close(fd);
}

}  // namespace

void notify_ready() { notify("READY=1"); }
void notify_stopping() { notify("STOPPING=1"); }

}  // namespace mlxr::platform
