// A Mac's sandboxed daemon cannot open files elsewhere, so an import copies them.
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "platform/files.h"
#include "platform/mac_paths.h"
#include "store/pull.h"
#include "store/store.h"
#include "tests/core/engine/tiny_model.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

class ImportCopy : public testing::Test {
 protected:
  ImportCopy() {
    std::string name = testing::TempDir() + "import-XXXXXX";
    home_ = ::mkdtemp(name.data());
    write_tiny_model(file_ = home_ / "elsewhere.gguf");
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
  EXPECT_EQ(platform::read_file(record->file, 1 << 20).value(), platform::read_file(file_, 1 << 20).value());
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

TEST_F(ImportCopy, ANameThatIsBeingPulledIsRefused) {
  const auto pulling = lock_model(paths_, "mine");
  ASSERT_TRUE(pulling) << pulling.error().message;
  EXPECT_EQ(store_->import(file_, "mine").error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(store_->list()->empty());
}

// Reading it would wait for a writer, for ever.
TEST_F(ImportCopy, ASumThatIsAPipeIsRefusedByName) {
  ASSERT_EQ(::mkfifo((file_.string() + ".sha256").c_str(), 0600), 0);
  for (const auto& signature : {platform::Signature{.app_group = "TEAMID1234.group"}, platform::Signature{}}) {
    open(signature);
    const auto record = store_->import(file_, "mine");
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().message, file_.string() + ".sha256 is not a regular file.");
  }
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
