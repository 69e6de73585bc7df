#include <gtest/gtest.h>

#include <vector>

#include "cli/command_line.h"
#include "cli/handshake.h"

namespace mlxr::cli {
namespace {

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string> commands{"run", "pull", "list", "show", "rm", "stop", "status", "version", "uninstall"};
  EXPECT_EQ(nearest("lst", commands), "list");
  EXPECT_EQ(nearest("pul", commands), "pull");
  EXPECT_EQ(nearest("satus", commands), "status");
  EXPECT_EQ(nearest("verison", commands), "version");
  EXPECT_EQ(nearest("unin", commands), "uninstall");
}

TEST(Nearest, SaysNothingWhereNothingIsClose) {
  const std::vector<std::string> commands{"run", "pull", "list"};
  EXPECT_EQ(nearest("banana", commands), "");
  EXPECT_EQ(nearest("x", commands), "");
  EXPECT_EQ(nearest("", commands), "");
}

TEST(Version, IsComparedByNumbers) {
  EXPECT_TRUE(is_older("0.9.0", "0.10.0"));
  EXPECT_TRUE(is_older("0.1.0", "1.0.0"));
  EXPECT_FALSE(is_older("0.10.0", "0.9.9"));
  EXPECT_FALSE(is_older("0.1.0", "0.1.0"));
  EXPECT_FALSE(is_older("0.1.0-beta", "0.1.0"));
}

}  // namespace
}  // namespace mlxr::cli
