// A Mac's sandboxed daemon opens no file elsewhere: there an import copies.
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "platform/files.h"
#include "platform/mac_paths.h"
#include "store/store.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

// The smallest file that import takes for a model.
std::string tiny_model() {
  std::string bytes;
  const auto number = [&](auto value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.append(raw, sizeof value);
  };
  const auto text = [&](std::string_view value) {
    number(std::uint64_t{value.size()});
    bytes += value;
  };
  bytes = "GGUF";
  number(std::uint32_t{3});
  number(std::uint64_t{1});
  number(std::uint64_t{3});
  text("general.architecture"), number(std::uint32_t{8}), text("llama");
  text("llama.context_length"), number(std::uint32_t{4}), number(std::uint32_t{128});
  text("llama.embedding_length"), number(std::uint32_t{4}), number(std::uint32_t{64});
  text("token_embd.weight"), number(std::uint32_t{2}), number(std::uint64_t{64}), number(std::uint64_t{4});
  number(std::uint32_t{0}), number(std::uint64_t{0});
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + std::string(64 * 4 * sizeof(float), '\0');
}

class ImportCopy : public testing::Test {
 protected:
  ImportCopy() {
    std::string name = testing::TempDir() + "import-XXXXXX";
    home_ = ::mkdtemp(name.data());
    std::ofstream(file_ = home_ / "elsewhere.gguf", std::ios::binary) << tiny_model();
    open({.app_group = "TEAMID1234.group", .sandboxed = false});
  }
  ~ImportCopy() override { fs::remove_all(home_); }
  void open(const platform::Signature& signature) {
    store_.reset();
    paths_ = platform::mac_paths(home_, signature, {}).value();
    store_ = Store::open(paths_).value();
  }

  fs::path home_, file_;
  platform::Paths paths_;
  std::unique_ptr<Store> store_;
};

TEST_F(ImportCopy, TheModelIsTheStoresOwn) {
  const auto record = store_->import(file_, "mine");
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->file, paths_.models / "imported/mine/elsewhere.gguf");
  EXPECT_FALSE(record->in_place);
  EXPECT_EQ(record->source, file_.string());
  EXPECT_EQ(platform::read_file(record->file, 1 << 20).value(), tiny_model());
  EXPECT_TRUE(store_->import(file_, "mine")) << "again";

  ASSERT_TRUE(store_->remove("mine"));
  EXPECT_FALSE(fs::exists(record->file));
  EXPECT_TRUE(fs::exists(file_));
}

TEST_F(ImportCopy, AFileThatIsRefusedLeavesNothing) {
  std::ofstream(file_.string() + ".sha256") << std::string(64, '0');
  const auto record = store_->import(file_, "mine");
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(paths_.models / "imported"));
}

TEST_F(ImportCopy, ABuildWithoutATeamRegistersTheFileWhereItIs) {
  open({});
  const auto record = store_->import(file_, "mine");
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->file, file_);
  EXPECT_TRUE(record->in_place);
}

}  // namespace
}  // namespace mlxr::store
