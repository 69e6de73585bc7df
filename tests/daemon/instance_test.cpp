#include "daemon/transport/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace mlxr::daemon {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class InstanceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mlxr-instance-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    home_ = name;
    socket_ = home_ / "run" / "mlxrunner.sock";
  }
  void TearDown() override { fs::remove_all(home_); }

  static mode_t mode_of(const fs::path& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  fs::path home_, socket_;
};

TEST_F(InstanceTest, TheSocketIsPrivate) {
  const auto instance = Instance::claim(socket_);
  ASSERT_TRUE(instance) << instance.error().message;
  EXPECT_EQ(mode_of(socket_), mode_t{0600});
  EXPECT_EQ(mode_of(socket_.parent_path()), mode_t{0700});
}

TEST_F(InstanceTest, AnOpenFolderIsClosed) {
  fs::create_directories(socket_.parent_path());
  fs::permissions(socket_.parent_path(), fs::perms(0755));
  ASSERT_TRUE(Instance::claim(socket_));
  EXPECT_EQ(mode_of(socket_.parent_path()), mode_t{0700});
}

TEST_F(InstanceTest, TheSecondIsToldThePidOfTheFirst) {
  const auto first = Instance::claim(socket_);
  ASSERT_TRUE(first);
  const auto second = Instance::claim(socket_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message, HasSubstr("already running (pid " + std::to_string(::getpid()) + ")"));
  EXPECT_TRUE(fs::exists(socket_));
}

TEST_F(InstanceTest, ADeadDaemonsSocketIsTakenOver) {
  fs::create_directories(socket_.parent_path());
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, socket_.c_str());
  ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  ASSERT_TRUE(fs::exists(socket_));
  EXPECT_TRUE(Instance::claim(socket_));
}

TEST_F(InstanceTest, AFileInItsPlaceIsLeftAlone) {
  fs::create_directories(socket_.parent_path());
  std::ofstream(socket_) << "precious";
  const auto instance = Instance::claim(socket_);
  ASSERT_FALSE(instance);
  EXPECT_THAT(instance.error().message, HasSubstr("not a socket"));
  EXPECT_EQ(fs::file_size(socket_), 8u);
}

TEST_F(InstanceTest, TheEndRemovesTheSocketAndFreesThePlace) {
  ASSERT_TRUE(Instance::claim(socket_));  // ends at once
  EXPECT_FALSE(fs::exists(socket_));
  EXPECT_TRUE(Instance::claim(socket_));
}

TEST_F(InstanceTest, APathThatIsTooLongIsRefusedWithBothNumbers) {
  const auto instance = Instance::claim(home_ / std::string(200, 'x'));
  ASSERT_FALSE(instance);
  EXPECT_EQ(instance.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(InstanceTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(home_ / "run") << "in the way";
  const auto instance = Instance::claim(socket_);
  ASSERT_FALSE(instance);
  EXPECT_THAT(instance.error().message, HasSubstr((home_ / "run").string()));
}

TEST(Peer, TheSameUserIsKnown) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_TRUE(peer_is_same_user(pair[0]));
  ::close(pair[0]);
  ::close(pair[1]);
  EXPECT_FALSE(peer_is_same_user(-1));
}

}  // namespace
}  // namespace mlxr::daemon
