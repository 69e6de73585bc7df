#include "daemon/transport/received_files.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace mlxr::daemon {

ssize_t receive_with_files(int socket, std::span<char> to, ReceivedFiles& received) {
  // More than any system sends with one message (253 on Linux): where there is less room, some leave descriptors open that nobody knows.
  constexpr std::size_t kRoom = 512;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kRoom * sizeof(int))> control{};
  iovec bytes{.iov_base = to.data(), .iov_len = to.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
#ifdef MSG_CMSG_CLOEXEC
  const auto n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
#else
  const auto n = ::recvmsg(socket, &message, MSG_DONTWAIT);
#endif
  if (n < 0) return n;
  received.is_cut = received.is_cut || (message.msg_flags & MSG_CTRUNC) != 0;
  for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
      ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
      auto file = std::make_shared<const platform::FileDescriptor>(descriptor);
      if (received.files.size() < ReceivedFiles::kMost) received.files.push_back(std::move(file));
    }
  }
  return n;
}

}  // namespace mlxr::daemon
