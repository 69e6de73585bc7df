#include "platform/paths.h"

#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

class PathsTest : public testing::Test {
 protected:
  PathsTest() {
    for (const char* name : {"MLXR_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"})
      ::unsetenv(name);
    ::setenv("HOME", "/home/ada", 1);
  }
};

TEST_F(PathsTest, MlxrHomeHoldsEverything) {
  ::setenv("MLXR_HOME", "/tmp/m", 1);
  const auto p = Paths::from_environment().value();
  EXPECT_EQ(p.registry, "/tmp/m/registry.sqlite");
  EXPECT_EQ(p.models, "/tmp/m/models");
  EXPECT_EQ(p.cache, "/tmp/m/cache");
  EXPECT_EQ(p.config, "/tmp/m/server.yaml");
  EXPECT_EQ(p.socket, "/tmp/m/run/mlxrunner.sock");
  EXPECT_EQ(p.logs, "/tmp/m/logs");
  EXPECT_TRUE(p.login_item.empty());
}

TEST_F(PathsTest, ARelativeHomeIsRefused) {
  ::setenv("MLXR_HOME", "here", 1);
  EXPECT_EQ(Paths::from_environment().error().code, ErrorCode::kInvalidArgument);
}

// The folder itself may be long: `uds` can place the socket elsewhere.
TEST_F(PathsTest, OnlyTheSocketsPathMustBeShort) {
  ::setenv("MLXR_HOME", ("/" + std::string(100, 'x')).c_str(), 1);
  const auto p = Paths::from_environment();
  ASSERT_TRUE(p) << p.error().message;
  const auto checked = check_socket_path(p->socket);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(checked.error().message.find("MLXR_HOME"), std::string::npos);
  EXPECT_TRUE(check_socket_path("/run/mlxr.sock"));
}

#ifdef __linux__
TEST_F(PathsTest, FollowTheXdgSpecification) {
  const TemporaryFolder runtime;
  ::setenv("XDG_RUNTIME_DIR", runtime.path.c_str(), 1);
  ::setenv("XDG_CACHE_HOME", "/c", 1);
  const auto p = Paths::from_environment().value();
  EXPECT_EQ(p.support, "/home/ada/.local/share/mlxrunner");
  EXPECT_EQ(p.cache, "/c/mlxrunner");
  EXPECT_EQ(p.config, "/home/ada/.config/mlxrunner/server.yaml");
  EXPECT_EQ(p.socket, runtime.path / "mlxrunner/mlxrunner.sock");
  EXPECT_EQ(p.logs, "/home/ada/.local/state/mlxrunner");
  EXPECT_EQ(p.login_item, "/home/ada/.config/systemd/user/default.target.wants/mlxrunnerd.service");
}

TEST_F(PathsTest, ARuntimeFolderThatIsGoneOrAnothersDoesNotCount) {
  ::setenv("XDG_RUNTIME_DIR", "/nonexistent/1234", 1);
  EXPECT_EQ(Paths::from_environment()->socket, "/home/ada/.local/share/mlxrunner/run/mlxrunner.sock");
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder to another user";
  const TemporaryFolder theirs;
  ASSERT_EQ(::chown(theirs.path.c_str(), 1234, 1234), 0);
  ::setenv("XDG_RUNTIME_DIR", theirs.path.c_str(), 1);
  EXPECT_EQ(Paths::from_environment()->socket, "/home/ada/.local/share/mlxrunner/run/mlxrunner.sock");
}
#endif

TEST_F(PathsTest, WithoutAHomeFolderThereIsASentence) {
  ::unsetenv("HOME");
  EXPECT_EQ(Paths::from_environment().error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace mlxr::platform
