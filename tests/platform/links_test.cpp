#include "platform/links.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "platform/files.h"

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

class LinksTest : public testing::Test {
 protected:
  Paths paths_with(const fs::path& at, const fs::path& target) {
    Paths paths;
    paths.links = {{folder_ / at, folder_ / target}};
    return paths;
  }

  TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path;
};

TEST_F(LinksTest, AreMadeOnceWithTheFoldersAround) {
  const auto paths = paths_with("usual/run/socket", "group/socket");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(make_links(paths, true).size(), 0u);
    EXPECT_EQ(fs::read_symlink(folder_ / "usual/run/socket"), folder_ / "group/socket");
  }
}

TEST_F(LinksTest, ThatLeadNowhereAreMadeAgain) {
  fs::create_symlink(folder_ / "gone", folder_ / "at");
  EXPECT_EQ(make_links(paths_with("at", "target"), true).size(), 0u);
  EXPECT_EQ(fs::read_symlink(folder_ / "at"), folder_ / "target");
}

TEST_F(LinksTest, AFolderOrALinkOfTheUsersIsLeftAlone) {
  fs::create_directories(folder_ / "data/models");
  const auto complaints = make_links(paths_with("data", "target"), true);
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find((folder_ / "data").string()), std::string::npos);
  EXPECT_TRUE(fs::exists(folder_ / "data/models"));

  fs::create_directory_symlink(folder_ / "data", folder_ / "elsewhere");
  EXPECT_EQ(make_links(paths_with("elsewhere", "target"), true).size(), 1u);
  EXPECT_EQ(fs::read_symlink(folder_ / "elsewhere"), folder_ / "data");
}

TEST_F(LinksTest, OnlyTheDaemonTakesTheSocketsPlace) {
  sockaddr_un address{.sun_family = AF_UNIX};
  std::strcpy(address.sun_path, (folder_ / "socket").c_str());
  const FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(make_links(paths_with("socket", "target"), false).size(), 1u);
  EXPECT_TRUE(fs::is_socket(folder_ / "socket"));
  EXPECT_EQ(make_links(paths_with("socket", "target"), true).size(), 0u);
  EXPECT_EQ(fs::read_symlink(folder_ / "socket"), folder_ / "target");
}

TEST_F(LinksTest, AFileWhereAFolderIsNeededIsSaid) {
  std::ofstream(folder_ / "file").put('x');
  const auto complaints = make_links(paths_with("file/link", "target"), true);
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find("could not be created"), std::string::npos);
}

}  // namespace
}  // namespace mlxr::platform
