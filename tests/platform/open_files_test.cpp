#include "platform/open_files.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

class OpenFilesTest : public ::testing::Test {
 protected:
  OpenFile file(const char* name, std::string_view text = "text") const {
    std::ofstream(folder_.path / name, std::ios::binary) << text;
    return OpenFile::open(folder_.path / name).value();
  }
  OpenFiles both() const {
    std::vector<OpenFile> files;
    files.push_back(file("a", "1"));
    files.push_back(file("b", "22"));
    return {folder_.path, std::move(files)};
  }
  TemporaryFolder folder_;
};

TEST_F(OpenFilesTest, AFileIsByItself) {
  const OpenFiles one = file("a");
  EXPECT_TRUE(one.is_one_file());
  EXPECT_EQ(one.name(), folder_.path / "a");
  EXPECT_EQ(one.size(), 4u);
}

TEST_F(OpenFilesTest, AFolderHasFilesWithNames) {
  const auto folder = both();
  EXPECT_FALSE(folder.is_one_file());
  EXPECT_EQ(folder.size(), 3u);
  EXPECT_EQ(folder.find("b")->size(), 2u);
  EXPECT_EQ(folder.find("c"), nullptr);
  EXPECT_EQ(folder.find((folder_.path / "b").string()), nullptr) << "a name is no path";
}

TEST_F(OpenFilesTest, AFolderOfOneFileIsAFolder) {
  std::vector<OpenFile> files;
  files.push_back(file("a"));
  EXPECT_FALSE(OpenFiles(folder_.path, std::move(files)).is_one_file());
}

TEST_F(OpenFilesTest, AChangeOfAnyFileIsAChange) {
  const auto folder = both();
  EXPECT_TRUE(folder.unchanged());
  std::ofstream(folder_.path / "b", std::ios::app) << "3";
  EXPECT_FALSE(folder.unchanged());
  const auto now = folder.duplicate().value();
  EXPECT_TRUE(now.unchanged());
  EXPECT_EQ(now.size(), 4u);
  EXPECT_EQ(now.find("b")->name(), folder.find("b")->name());
}

}  // namespace
}  // namespace mlxr::platform
