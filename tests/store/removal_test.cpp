// The files that `mlx rm` deletes, and those that it never touches.
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/files.h"
#include "store/pull.h"
#include "store/registry.h"
#include "store/store.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

class Removal : public testing::Test {
 protected:
  Removal() {
    std::string name = testing::TempDir() + "removal-XXXXXX";
    home_ = ::mkdtemp(name.data());
    ::setenv("MLXR_HOME", home_.c_str(), 1);
    paths_ = platform::Paths::from_environment().value();
    store_ = Store::open(paths_).value();
  }
  ~Removal() override { fs::remove_all(home_); }

  fs::path write(const fs::path& file, std::size_t size = 10) {
    fs::create_directories((home_ / file).parent_path());
    std::ofstream(home_ / file) << std::string(size, 'x');
    return home_ / file;
  }
  // As a pull leaves it that was interrupted.
  void begin_download(const fs::path& partial, const std::string& file, std::size_t size) {
    write(partial / file, size);
    std::ofstream(home_ / partial / "state.json") << R"({"identity": "0", "file": ")" << file << R"("})";
  }
  void register_model(const std::string& name, const fs::path& file, bool in_place = false) {
    ASSERT_TRUE(Registry::open(paths_.registry).value()->put({.name = name, .file = file, .in_place = in_place}));
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(home_)) {
      const auto path = entry.path().lexically_relative(home_).string();
      if (entry.is_regular_file() && !path.starts_with("registry.sqlite") && !path.starts_with("locks/")) found.push_back(path);
    }
    std::ranges::sort(found);
    return found;
  }

  fs::path home_;
  platform::Paths paths_;
  std::unique_ptr<Store> store_;
};

TEST_F(Removal, TakesWhatThePullWroteAndItsEmptyFolders) {
  register_model("a:1", write("models/host/a@1/a.gguf"));
  write("models/host/a@1/a.gguf.sha256");
  write("models/host/a@1/LICENSE");
  begin_download("models/host/a@1/.partial", "a.gguf", 10);
  write("models/other/notes.txt");
  ASSERT_TRUE(store_->remove("a:1"));
  EXPECT_EQ(files(), std::vector<std::string>{"models/other/notes.txt"});
  EXPECT_FALSE(fs::exists(paths_.models / "host"));
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(Removal, StopsAtModels) {
  register_model("a", write("models/host/a/a.gguf"));
  ASSERT_TRUE(store_->remove("a"));
  EXPECT_TRUE(fs::is_directory(paths_.models)) << "also when it is empty";
}

// A registry that was copied from elsewhere, or edited by hand.
TEST_F(Removal, NeverTouchesAFileOutsideOfModels) {
  const auto elsewhere = write("elsewhere/models/host/a/a.gguf"), above = write("secret.gguf");
  register_model("a", elsewhere);
  register_model("b", paths_.models / ".." / "secret.gguf");
  register_model("c", write("mine.gguf"), true);
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(store_->remove(name)) << name;
  EXPECT_EQ(files(), (std::vector<std::string>{"elsewhere/models/host/a/a.gguf", "mine.gguf", "secret.gguf"}));
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(Removal, AModelWhoseFileIsGoneCanBeRemoved) {
  register_model("a", paths_.models / "host/a/a.gguf");
  EXPECT_TRUE(store_->remove("a"));
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(Removal, WhatPullsLeaveIsListedAndRemovedByName) {
  begin_download("models/host/big@7b/.partial", "big.gguf", 1000);
  begin_download("models/host/big@7b/.partial/package", "big.whl", 10);
  write("models/host/big@7b/.partial/package/state.json.a1b2c3");
  write("quarantine/big@7b/big.gguf.2026-11-27T12:00:00Z", 500);
  write("quarantine/old.gguf.2026-01-02T03:04:05Z", 7);  // of MLXR 0.1.0
  write("quarantine/notes.txt");
  const auto left = store_->leftovers();
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].name, "big:7b");
  EXPECT_EQ(left[0].kind, Leftover::Kind::kUnfinished);
  EXPECT_EQ(left[0].size, 1010u);
  EXPECT_EQ(left[1].name, "big:7b");
  EXPECT_EQ(left[1].kind, Leftover::Kind::kQuarantined);
  EXPECT_EQ(left[2].name, "old.gguf.2026-01-02T03:04:05Z");

  EXPECT_EQ(store_->remove("nosuch").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(store_->remove("big:7b"));
  ASSERT_TRUE(store_->remove("old.gguf.2026-01-02T03:04:05Z"));
  EXPECT_EQ(files(), std::vector<std::string>{"quarantine/notes.txt"});
  EXPECT_FALSE(fs::exists(paths_.models / "host"));
}

TEST_F(Removal, AModelThatIsBeingPulledIsLeftAlone) {
  register_model("a", write("models/host/a/a.gguf"));
  const auto lock = lock_model(paths_, "a");
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_EQ(store_->remove("a").error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(fs::exists(home_ / "models/host/a/a.gguf"));
}

TEST_F(Removal, WhatIsNoDownloadStays) {
  const std::vector<std::string> mine{"models/host/other/.partial/thesis.txt", "models/mine/big/.partial/notes.txt"};
  for (const auto& file : mine) write(file);
  begin_download("models/host/other/.partial", "big.gguf", 1000);
  ASSERT_EQ(store_->leftovers().size(), 1u);
  ASSERT_TRUE(store_->remove("other"));
  EXPECT_EQ(store_->remove("big").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files(), mine);
}

}  // namespace
}  // namespace mlxr::store
