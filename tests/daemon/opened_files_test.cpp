#include "daemon/models/opened_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/registry.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::daemon {
namespace {

using namespace std::chrono_literals;

class OpenedFilesTest : public testing::Test {
 protected:
  platform::OpenFile file(const std::string& name, const std::string& text = "text") const {
    const auto path = folder_.path / name;
    if (!std::filesystem::exists(path)) std::ofstream(path) << text;
    return platform::OpenFile::open(path).value();
  }
  // Away and back, until the time of change is another: its clock ticks slowly.
  void move(const std::string& name) const {
    const auto from = folder_.path / name, to = folder_.path / "moved";
    const auto before = store::FileStamp::of(from).value();
    do {
      std::filesystem::rename(from, to);
      std::filesystem::rename(to, from);
    } while (store::FileStamp::of(from).value() == before);
  }
  bool has(const std::string& reference) { return files_.find(reference).has_value(); }
  std::shared_ptr<const store::OpenModel> model(const std::string& name, const std::string& sha256) const {
    return std::make_shared<const store::OpenModel>(store::OpenModel{{.sha256 = sha256}, file(name)});
  }

  const platform::TemporaryFolder folder_;
  OpenedFiles files_;
};

const auto kNothingIsLoaded = [](const std::string&) { return false; };

TEST_F(OpenedFilesTest, TheSameFileHasOneReferenceForAllWhoExpectTheSame) {
  const auto reference = files_.add(file("a"));
  std::filesystem::create_hard_link(folder_.path / "a", folder_.path / "b");
  const auto linked = files_.add(file("b"));  // its time of change is another: it counts as a file that is to be hashed
  EXPECT_EQ(files_.add(file("a")), linked);
  EXPECT_EQ(files_.add(file("b")), linked);
  EXPECT_NE(files_.add(file("a"), std::string(64, '0')), linked);
  EXPECT_NE(files_.add(file("c")), linked);
  EXPECT_TRUE(OpenedFiles::is_reference(reference));
  EXPECT_FALSE(OpenedFiles::is_reference("open:latest"));
}

TEST_F(OpenedFilesTest, AFolderIsItsFilesAndTheirNames) {
  const auto folder = [&](std::initializer_list<const char*> names, const char* name = "folder") {
    std::vector<platform::OpenFile> files;
    for (const auto* one : names) files.push_back(file(one));
    return platform::OpenFiles(name, std::move(files));
  };
  const auto reference = files_.add(folder({"a", "b"}));
  EXPECT_EQ(files_.add(folder({"a", "b"}, "its other name")), reference);
  EXPECT_NE(files_.add(folder({"a"})), reference);
  EXPECT_NE(files_.add(folder({"a", "b", "c"})), reference);
  EXPECT_NE(files_.add(file("a")), files_.add(folder({"a"})));
  std::ofstream(folder_.path / "b", std::ios::app) << "more";
  EXPECT_FALSE(has(reference));
}

TEST_F(OpenedFilesTest, TheLeastRecentlyUsedOfTooManyIsClosed) {
  std::vector<std::string> references;
  for (std::size_t i = 0; i < OpenedFiles::kMost; ++i) references.push_back(files_.add(file(std::to_string(i))));
  EXPECT_TRUE(has(references[0]));  // used now
  files_.add(file("one more"));
  EXPECT_TRUE(has(references[0]));
  EXPECT_FALSE(has(references[1]));
}

TEST_F(OpenedFilesTest, AFileIsClosedWhenNobodyUsesIt) {
  const auto reference = files_.add(file("a"));
  files_.close_unused(1h, kNothingIsLoaded);
  EXPECT_TRUE(has(reference));
  {
    const auto in_use = files_.find(reference).value();
    files_.close_unused(0s, kNothingIsLoaded);
    EXPECT_TRUE(has(reference));
  }
  files_.close_unused(0s, kNothingIsLoaded);
  EXPECT_FALSE(has(reference));
}

TEST_F(OpenedFilesTest, AFileWhoseModelIsLoadedIsKept) {
  const auto reference = files_.add(file("a"));
  files_.remember(files_.find(reference).value(), model("a", "abc"));
  files_.close_unused(0s, [](const std::string& sha256) { return sha256 == "abc"; });
  EXPECT_TRUE(has(reference));
  files_.close_unused(0s, kNothingIsLoaded);
  EXPECT_FALSE(has(reference));
}

TEST_F(OpenedFilesTest, WhatIsKnownOfAFileHoldsUntilItIsTouched) {
  const auto reference = files_.add(file("a"));
  const auto kept = files_.find(reference).value();
  EXPECT_EQ(kept.checked, nullptr);
  files_.remember(kept, model("a", "abc"));
  EXPECT_EQ(files_.find(reference).value().checked->record.sha256, "abc");
  move("a");
  EXPECT_EQ(files_.find(reference).value().checked, nullptr);
  files_.remember(kept, model("a", "abc"));  // a hash that was begun before
  EXPECT_EQ(files_.find(reference).value().checked, nullptr);
  std::ofstream(folder_.path / "a", std::ios::app) << "more";
  const auto changed = files_.find(reference);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace mlxr::daemon
