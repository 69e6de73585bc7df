#include "daemon/managed.h"

#include <gmock/gmock.h>

#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::daemon {
namespace {

using platform::TemporaryFolder;
using testing::AllOf;
using testing::HasSubstr;

class Managed : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "a file of root's takes root";
    std::ofstream(file_) << "port: 0\n";
    ::chmod(file_.c_str(), 0644);
    ::chmod(folder_.path.c_str(), 0755);
  }
  std::string error() const {
    const auto settings = managed_settings_in(file_);
    EXPECT_FALSE(settings) << "read, although others can change it";
    return settings ? "" : settings.error().message;
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path / "managed.yaml";
};

TEST_F(Managed, AFileOfRootsIsRead) {
  const auto settings = managed_settings_in(file_);
  ASSERT_TRUE(settings) << settings.error().message;
  ASSERT_TRUE(*settings);
  EXPECT_EQ((*settings)->text, "port: 0\n");
  EXPECT_EQ((*settings)->origin, file_.string());
}

TEST_F(Managed, NoFileIsNoError) {
  for (const char* missing : {"no.yaml", "no/managed.yaml", "managed.yaml/below"}) {
    const auto settings = managed_settings_in(folder_.path / missing);
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_FALSE(*settings);
  }
}

TEST_F(Managed, AFileThatOthersCanChangeIsRefused) {
  for (const mode_t mode : {0664, 0646}) {
    ::chmod(file_.c_str(), mode);
    EXPECT_THAT(error(), AllOf(HasSubstr(file_.string() + " can be changed by users other than root"), HasSubstr("chmod go-w")));
  }
}

TEST_F(Managed, AFileOfAnotherUserIsRefused) {
  ASSERT_EQ(::chown(file_.c_str(), 1000, 0), 0);
  EXPECT_THAT(error(), HasSubstr("chown root"));
}

TEST_F(Managed, AFolderThatOthersCanChangeIsRefused) {
  ::chmod(folder_.path.c_str(), 0777);
  EXPECT_THAT(error(), HasSubstr(folder_.path.string() + " can be changed by users other than root"));
}

TEST_F(Managed, WhatALinkPointsToCounts) {
  const auto link = folder_.path / "link.yaml";
  std::filesystem::create_symlink(file_, link);
  EXPECT_TRUE(managed_settings_in(link));
  ::chmod(file_.c_str(), 0666);
  EXPECT_FALSE(managed_settings_in(link));
}

}  // namespace
}  // namespace mlxr::daemon
