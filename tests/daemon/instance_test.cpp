#include "daemon/transport/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>

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

  Result<Instance> claim(const fs::path& socket) { return Instance::claim(home_ / "mlxrunnerd.lock", socket); }

  // A daemon of another data folder.
  Result<Instance> claim_from_elsewhere(const fs::path& socket) { return Instance::claim(home_ / "elsewhere/mlxrunnerd.lock", socket); }

  static mode_t mode_of(const fs::path& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  fs::path home_, socket_;
};

TEST_F(InstanceTest, TheSocketIsPrivate) {
  const auto instance = claim(socket_);
  ASSERT_TRUE(instance) << instance.error().message;
  EXPECT_EQ(mode_of(socket_), mode_t{0600});
  EXPECT_EQ(mode_of(socket_.parent_path()), mode_t{0700});
}

// `uds: /run/mlxr.sock` or /tmp/mlxr.sock: the folder is not ours to close.
TEST_F(InstanceTest, AFolderThatExistsIsUsedAsItIsOrRefused) {
  fs::create_directories(socket_.parent_path());
  for (const mode_t mode : {0755u, 01777u}) {
    ::chmod(socket_.parent_path().c_str(), mode);
    const auto instance = claim(socket_);
    EXPECT_EQ(instance.has_value(), mode == 0755u);
    EXPECT_EQ(mode_of(socket_.parent_path()), mode);
    if (instance) {
      EXPECT_EQ(mode_of(socket_), mode_t{0600});
    } else {
      EXPECT_THAT(instance.error().message, HasSubstr("`uds` in server.yaml"));
    }
  }
}

TEST_F(InstanceTest, OneDataFolderHasOneDaemonWhereverItsSocketIs) {
  const auto first = claim(socket_);
  ASSERT_TRUE(first);
  const auto second = claim(home_ / "other" / "mlxrunner.sock");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message, HasSubstr(socket_.string()));
}

TEST_F(InstanceTest, TwoDataFoldersCannotShareASocket) {
  const auto first = claim(socket_);
  ASSERT_TRUE(first);
  EXPECT_EQ(claim_from_elsewhere(socket_).error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(first->is_in_place());
}

TEST_F(InstanceTest, AnotherProgramsSocketIsLeftAlone) {
  fs::create_directories(socket_.parent_path());
  const int other = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, socket_.c_str());
  ASSERT_EQ(::bind(other, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(other, 1), 0);
  const auto instance = claim(socket_);
  ASSERT_FALSE(instance);
  EXPECT_EQ(instance.error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(fs::exists(socket_));
  ::close(other);
}

// After a logout the folder of the socket is gone, and a new daemon may be in its place when the old one ends.
TEST_F(InstanceTest, TheEndOfOneThatLostItsSocketLeavesItsSuccessorsAlone) {
  std::optional<Instance> old = claim(socket_).value();
  EXPECT_TRUE(old->is_in_place());
  fs::remove_all(socket_.parent_path());
  EXPECT_FALSE(old->is_in_place());
  const auto successor = claim_from_elsewhere(socket_);
  ASSERT_TRUE(successor) << successor.error().message;
  EXPECT_FALSE(old->is_in_place());
  old.reset();
  EXPECT_TRUE(successor->is_in_place());
}

TEST_F(InstanceTest, TheSocketIsRemovedWithoutADestructorUnlessItIsASuccessors) {
  const auto old = claim(socket_);
  ASSERT_TRUE(old);
  old->remove_socket();
  EXPECT_FALSE(fs::exists(socket_));
  fs::remove(socket_.string() + ".lock");
  const auto successor = claim_from_elsewhere(socket_);
  ASSERT_TRUE(successor) << successor.error().message;
  old->remove_socket();
  EXPECT_TRUE(successor->is_in_place());
}

TEST_F(InstanceTest, TheSecondIsToldThePidOfTheFirst) {
  const auto first = claim(socket_);
  ASSERT_TRUE(first);
  const auto second = claim(socket_);
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
  EXPECT_TRUE(claim(socket_));
}

// A daemon in a Mac's app group leaves a link where one without a group listens.
TEST_F(InstanceTest, ALinkToASocketThatIsGoneOrDeadIsReplaced) {
  fs::create_directories(socket_.parent_path());
  fs::create_symlink(home_ / "gone", socket_);
  {
    const auto instance = claim(socket_);
    ASSERT_TRUE(instance) << instance.error().message;
    EXPECT_TRUE(fs::is_socket(fs::symlink_status(socket_)));
  }
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, (home_ / "dead").c_str());
  ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  fs::create_symlink(home_ / "dead", socket_);
  EXPECT_TRUE(claim(socket_));
  EXPECT_TRUE(fs::exists(home_ / "dead"));
}

TEST_F(InstanceTest, ALinkToAFileIsLeftAlone) {
  fs::create_directories(socket_.parent_path());
  std::ofstream(home_ / "file") << "precious";
  fs::create_symlink(home_ / "file", socket_);
  EXPECT_FALSE(claim(socket_));
  EXPECT_TRUE(fs::is_symlink(socket_));
}

TEST_F(InstanceTest, AFileInItsPlaceIsLeftAlone) {
  fs::create_directories(socket_.parent_path());
  std::ofstream(socket_) << "precious";
  const auto instance = claim(socket_);
  ASSERT_FALSE(instance);
  EXPECT_THAT(instance.error().message, HasSubstr("not a socket"));
  EXPECT_EQ(fs::file_size(socket_), 8u);
}

TEST_F(InstanceTest, TheEndRemovesTheSocketAndFreesThePlace) {
  ASSERT_TRUE(claim(socket_));  // ends at once
  EXPECT_FALSE(fs::exists(socket_));
  EXPECT_TRUE(claim(socket_));
}

TEST_F(InstanceTest, APathThatIsTooLongIsRefusedWithBothNumbers) {
  const auto instance = claim(home_ / std::string(200, 'x'));
  ASSERT_FALSE(instance);
  EXPECT_EQ(instance.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(InstanceTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(home_ / "run") << "in the way";
  const auto instance = claim(socket_);
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
