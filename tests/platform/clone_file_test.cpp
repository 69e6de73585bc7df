#include "platform/clone_file.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

class CloneFileTest : public testing::Test {
 protected:
  void write(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }
  std::string read(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }

  TemporaryFolder folder_;
  const fs::path from_ = folder_.path / "model.gguf", to_ = folder_.path / "copy.gguf";
};

TEST_F(CloneFileTest, TheCopyIsAFileOfItsOwn) {
  const std::string bytes(std::size_t{3} << 20, 'x');
  write(from_, bytes);
  ASSERT_TRUE(clone_file(from_, to_));
  EXPECT_EQ(read(to_), bytes);
  write(from_, "changed");
  EXPECT_EQ(read(to_), bytes);
  EXPECT_FALSE(fs::exists(to_.string() + ".part"));
}

TEST_F(CloneFileTest, NothingIsOverwritten) {
  write(from_, "new");
  write(to_, "old");
  EXPECT_EQ(clone_file(from_, to_).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(read(to_), "old");
}

TEST_F(CloneFileTest, WhatAnInterruptedCopyLeftIsInNobodysWay) {
  write(from_, "new");
  write(to_.string() + ".part", "half");
  ASSERT_TRUE(clone_file(from_, to_));
  EXPECT_EQ(read(to_), "new");
}

TEST_F(CloneFileTest, AFileThatIsAwayIsSaid) {
  const auto done = clone_file(folder_.path / "away.gguf", to_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNotFound);
  EXPECT_NE(done.error().message.find("away.gguf"), std::string::npos);
}

}  // namespace
}  // namespace mlxr::platform
