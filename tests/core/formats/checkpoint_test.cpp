#include "core/formats/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/core/formats/gguf_builder.h"

namespace mlxr::formats {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    std::string pattern = (fs::temp_directory_path() / "mlxr-formats-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~CheckpointTest() override { fs::remove_all(folder_); }

  fs::path write(const std::string& bytes) const {
    const fs::path path = folder_ / "m.gguf";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  fs::path folder_;
};

TEST_F(CheckpointTest, OpensAFileAndFindsTensorsByName) {
  const std::string bytes = GgufBuilder().key("general.name", "tiny").tensor("w", {32, 2}, 2, 0).tensor("b", {2}, 0, 64).data(72).bytes();
  const auto file = Checkpoint::open(write(bytes));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->metadata().string("general.name"), "tiny");
  EXPECT_EQ((*file)->file_size(), bytes.size());
  ASSERT_EQ((*file)->tensors().size(), 2u);
  EXPECT_EQ((*file)->find("w"), &(*file)->tensors()[0]);
  EXPECT_EQ((*file)->find("b"), &(*file)->tensors()[1]);
  EXPECT_EQ((*file)->find("v"), nullptr);
}

TEST_F(CheckpointTest, RefusesWhatIsNoFile) {
  const auto code = [](const fs::path& path) { return Checkpoint::open(path).error().code; };
  EXPECT_EQ(code(folder_ / "absent.gguf"), ErrorCode::kNotFound);
  EXPECT_EQ(code(folder_), ErrorCode::kUnsupported);
  EXPECT_EQ(code("/dev/null"), ErrorCode::kUnsupported);
  EXPECT_EQ(code(write("")), ErrorCode::kCorrupt);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code(folder_ / "pipe"), ErrorCode::kUnsupported);
}

TEST_F(CheckpointTest, SaysWhichFileIsDamaged) {
  const fs::path path = write(GgufBuilder().tensor("w", {32}, 2, 0).data(17).bytes());
  const auto file = Checkpoint::open(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(file.error().message, HasSubstr(path.string() + " is damaged: tensor 'w'"));
}

TEST_F(CheckpointTest, ReadsTheStarterModel) {
  const char* models = std::getenv("MLXR_TEST_MODELS");
  const fs::path path = fs::path(models ? models : ".deps/models") / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent; set MLXR_TEST_MODELS to its folder";
  const auto file = Checkpoint::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->metadata().string("general.architecture"), "llama");
  EXPECT_EQ((*file)->metadata().strings("tokenizer.ggml.tokens").size(), 49152u);
  const Tensor* w = (*file)->find("blk.0.attn_q.weight");
  ASSERT_NE(w, nullptr);
  EXPECT_THAT(w->shape, ElementsAre(576, 576));
  EXPECT_EQ(w->type, quant::Type::kQ4_1);
}

}  // namespace
}  // namespace mlxr::formats
