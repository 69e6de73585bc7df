#include "platform/paths.h"

#include <cstdlib>

#include <gtest/gtest.h>

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

TEST_F(PathsTest, ARelativeOrTooLongHomeIsRefused) {
  ::setenv("MLXR_HOME", "here", 1);
  EXPECT_EQ(Paths::from_environment().error().code, ErrorCode::kInvalidArgument);
  ::setenv("MLXR_HOME", ("/" + std::string(100, 'x')).c_str(), 1);
  EXPECT_NE(Paths::from_environment().error().message.find("MLXR_HOME"), std::string::npos);
}

#ifdef __linux__
TEST_F(PathsTest, FollowTheXdgSpecification) {
  ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  ::setenv("XDG_CACHE_HOME", "/c", 1);
  const auto p = Paths::from_environment().value();
  EXPECT_EQ(p.support, "/home/ada/.local/share/mlxrunner");
  EXPECT_EQ(p.cache, "/c/mlxrunner");
  EXPECT_EQ(p.config, "/home/ada/.config/mlxrunner/server.yaml");
  EXPECT_EQ(p.socket, "/run/user/7/mlxrunner/mlxrunner.sock");
  EXPECT_EQ(p.logs, "/home/ada/.local/state/mlxrunner");
  EXPECT_EQ(p.login_item, "/home/ada/.config/systemd/user/default.target.wants/mlxrunnerd.service");
}
#endif

TEST_F(PathsTest, WithoutAHomeFolderThereIsASentence) {
  ::unsetenv("HOME");
  EXPECT_EQ(Paths::from_environment().error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace mlxr::platform
