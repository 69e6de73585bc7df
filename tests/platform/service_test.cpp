#include "platform/service.h"

#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "platform/files.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

TEST(Service, TellsTheManagerOverItsSocket) {
  TemporaryFolder folder;
  const auto path = folder.path / "notify";
  const FileDescriptor fd(::socket(AF_UNIX, SOCK_DGRAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  notify_ready();
  notify_stopping();
  ::unsetenv("NOTIFY_SOCKET");
  char buffer[64];
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(::recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT))), "READY=1");
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(::recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT))), "STOPPING=1");
}

}  // namespace
}  // namespace mlxr::platform
