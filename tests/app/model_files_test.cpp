#include "app/host/model_files.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::app {
namespace {

namespace fs = std::filesystem;
using platform::TemporaryFolder;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

TEST(ModelFiles, AreFoundInTheFolderAndBelow) {
  const TemporaryFolder root;
  write(root.path / "b.gguf", "12345");
  write(root.path / "A.GGUF", "1");
  write(root.path / "publisher/name/model.gguf", "");
  for (const char* other : {"model.bin", "model.gguf.part", ".hidden.gguf", "one/two/three/deep.gguf"}) write(root.path / other, "");
  const auto files = find_model_files(root.path).value();
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0].path, root.path / "A.GGUF");
  EXPECT_EQ(files[1].path, root.path / "b.gguf");
  EXPECT_EQ(files[1].size, 5u);
  EXPECT_EQ(files[2].path, root.path / "publisher/name/model.gguf");
}

TEST(ModelFiles, LinksLeadNowhereElse) {
  const TemporaryFolder root;
  write(root.path / "outside/secret.gguf", "");
  fs::create_directories(root.path / "chosen");
  fs::create_directory_symlink(root.path / "outside", root.path / "chosen/folder");
  fs::create_symlink(root.path / "outside/secret.gguf", root.path / "chosen/file.gguf");
  EXPECT_TRUE(find_model_files(root.path / "chosen").value().empty());
}

TEST(ModelFiles, AFolderThatIsAwayIsSaid) {
  const TemporaryFolder root;
  const auto files = find_model_files(root.path / "away");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, ErrorCode::kNotFound);
  EXPECT_NE(files.error().message.find("away"), std::string::npos);
}

}  // namespace
}  // namespace mlxr::app
