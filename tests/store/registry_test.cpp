#include "store/registry.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/files.h"

namespace mlxr::store {
namespace {

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    std::string name = testing::TempDir() + "registry-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    file_ = folder_ / "registry.sqlite";
  }
  ~RegistryTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_, file_;
};

TEST_F(RegistryTest, MigrationsRunOnceInOrderAndKeepTheData) {
  {
    auto registry = Registry::open(file_);
    ASSERT_TRUE(registry) << registry.error().message;
    ASSERT_TRUE((*registry)->put({.name = "a:1", .file = "/a", .size = 7}));
  }
  std::vector<std::string_view> steps(migrations().begin(), migrations().end());
  steps.push_back("ALTER TABLE models ADD COLUMN note TEXT NOT NULL DEFAULT 'n'");
  steps.push_back("UPDATE models SET license = note");  // needs the step before it
  for (int time = 0; time < 2; ++time) {
    auto registry = Registry::open(file_, steps);
    ASSERT_TRUE(registry) << registry.error().message;
    const auto model = (*registry)->model("a:1");
    ASSERT_TRUE(model && *model);
    EXPECT_EQ((*model)->size, 7u);
    EXPECT_EQ((*model)->license, "n");
  }
}

TEST_F(RegistryTest, APipeInItsPlaceIsRefused) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  const auto registry = Registry::open(file_);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(registry.error().message.contains("is not a regular file")) << registry.error().message;
}

// A daemon keeps the registry open while `mlx import` opens and closes it. SQLite's last process deletes the journal: one that only takes
// itself for the last must not.
TEST_F(RegistryTest, WhatOtherProcessesAddIsSeen) {
  const auto registry = Registry::open(file_);
  ASSERT_TRUE(registry) << registry.error().message;
  for (const char* name : {"a:1", "b:1", "c:1"}) {
    const pid_t other = ::fork();
    ASSERT_GE(other, 0);
    if (other == 0) {
      bool done = false;
      if (const auto theirs = Registry::open(file_)) done = (*theirs)->put({.name = name, .file = "/a", .size = 7}).has_value();
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    ASSERT_EQ(status, 0);
    const auto model = (*registry)->model(name);
    EXPECT_TRUE(model && *model) << name;
  }
}

TEST_F(RegistryTest, AFailingMigrationChangesNothing) {
  ASSERT_TRUE(Registry::open(file_));
  std::vector<std::string_view> steps(migrations().begin(), migrations().end());
  steps.push_back("DROP TABLE models; SELECT no_such_function()");
  EXPECT_FALSE(Registry::open(file_, steps));
  auto registry = Registry::open(file_);
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_TRUE((*registry)->models());
}

TEST_F(RegistryTest, ANewerSchemaIsRefusedAndNotTouched) {
  std::vector<std::string_view> steps(migrations().begin(), migrations().end());
  steps.push_back("CREATE TABLE of_the_future(x)");
  ASSERT_TRUE(Registry::open(file_, steps));
  const auto before = platform::read_file(file_, 1 << 20).value();
  const auto time = std::filesystem::last_write_time(file_);
  const auto registry = Registry::open(file_);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::kVersion) << registry.error().message;
  EXPECT_EQ(platform::read_file(file_, 1 << 20).value(), before);
  EXPECT_EQ(std::filesystem::last_write_time(file_), time);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + "-wal"));
}

TEST_F(RegistryTest, AFileThatIsNoDatabaseIsCorrupt) {
  ASSERT_TRUE(platform::write_file_atomically(file_, std::string(4096, 'x')));
  const auto registry = Registry::open(file_);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::kCorrupt) << registry.error().message;
}

// mv, cp -a, a restored backup, a container volume that is mounted elsewhere.
TEST_F(RegistryTest, AMovedFolderKeepsItsModelsAndACopyHasItsOwn) {
  const auto original = folder_ / "original", copy = folder_ / "copy", moved = folder_ / "moved";
  std::filesystem::create_directories(original);
  {
    auto registry = Registry::open(original / "registry.sqlite").value();
    ASSERT_TRUE(registry->put({.name = "pulled", .file = original / "models/p/pulled/f.gguf"}));
    ASSERT_TRUE(registry->put({.name = "imported", .file = original / "models/mine.gguf", .in_place = true}));
    ASSERT_TRUE(registry->set_verified("/etc/hostname", FileStamp{1, 2, 3, 4, 5}, "abc"));
  }
  std::filesystem::copy(original, copy, std::filesystem::copy_options::recursive);
  std::filesystem::rename(original, moved);
  for (const auto& home : {copy, moved}) {
    auto registry = Registry::open(home / "registry.sqlite").value();
    EXPECT_EQ(registry->model("pulled").value()->file, home / "models/p/pulled/f.gguf");
    EXPECT_EQ(registry->model_of_file(home / "models/p/pulled/f.gguf").value()->name, "pulled");
    EXPECT_EQ(registry->model("imported").value()->file, original / "models/mine.gguf") << "the user's own file is where it was";
    EXPECT_EQ(registry->model_of_file(original / "models/mine.gguf").value()->name, "imported");
  }
}

// The schema of 0.1.0, whose rows hold absolute paths; its folder may have been moved since.
TEST_F(RegistryTest, AnOldRegistryIsBroughtUpToDateAndACopyIsKept) {
  {
    auto old = Registry::open(file_, migrations().first(1)).value();
    auto database = Database::open(file_, Database::Mode::kReadWrite).value();
    ASSERT_TRUE(
        database.execute("INSERT INTO models VALUES('pulled', '/old home/models/p/pulled/f.gguf', 0, 7, 'h', '', '', '', '', '', 0, 0, 0),"
                         "('imported', '/data/models/a/b/mine.gguf', 1, 7, 'h', '', '', '', '', '', 0, 0, 0);"
                         "INSERT INTO accepted_licenses VALUES('pulled', 'L', 'https://l', '2026-01-01T00:00:00Z')"));
  }
  {
    auto registry = Registry::open(file_).value();
    EXPECT_EQ(registry->model("pulled").value()->file, folder_ / "models/p/pulled/f.gguf");
    EXPECT_EQ(registry->model("imported").value()->file, "/data/models/a/b/mine.gguf");
    EXPECT_EQ(registry->accepted_at("pulled", "L", "https://l").value(), "2026-01-01T00:00:00Z");
  }
  // The way back: the older program refuses the new registry, and takes the copy.
  const auto refused = Registry::open(file_, migrations().first(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kVersion);
  EXPECT_NE(refused.error().message.find("registry.sqlite.schema-1"), std::string::npos) << refused.error().message;
  std::filesystem::rename(copy_of_version(file_, 1), file_);
  auto older = Registry::open(file_, migrations().first(1));
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_EQ((*older)->models()->size(), 2u);
}

TEST_F(RegistryTest, AHashHoldsWhileTheFileLooksTheSame) {
  auto registry = Registry::open(file_).value();
  const FileStamp stamp{1, 2, 3, 4, 5};
  ASSERT_TRUE(registry->set_verified("/etc/hostname", stamp, "abc"));
  EXPECT_EQ(registry->verified("/etc/hostname", stamp).value(), "abc");
  EXPECT_EQ(registry->verified("/etc/passwd", stamp).value(), std::nullopt);
  EXPECT_EQ(registry->verified(stamp).value(), "abc");  // of a file whose path is not known
  for (const auto& other : {FileStamp{9, 2, 3, 4, 5}, {1, 9, 3, 4, 5}, {1, 2, 9, 4, 5}, {1, 2, 3, 9, 5}, {1, 2, 3, 4, 9}}) {
    EXPECT_EQ(registry->verified("/etc/hostname", other).value(), std::nullopt);
    EXPECT_EQ(registry->verified(other).value(), std::nullopt);
  }
}

// `dd conv=notrunc; touch -r` and `rsync --inplace -t` set the modification time back.
TEST_F(RegistryTest, AChangeWithAnOldModificationTimeIsSeen) {
  const auto model = folder_ / "model";
  ASSERT_TRUE(platform::write_file_atomically(model, "before"));
  const auto stamp = FileStamp::of(model).value();
  const auto time = std::filesystem::last_write_time(model);
  do {
    std::ofstream(model, std::ios::in) << "after!";
    std::filesystem::last_write_time(model, time);
  } while (FileStamp::of(model)->changed_ns == stamp.changed_ns);  // the kernel's clock has ticks
  auto changed = FileStamp::of(model).value();
  EXPECT_FALSE(changed == stamp);
  changed.changed_ns = stamp.changed_ns;
  EXPECT_TRUE(changed == stamp) << "nothing else tells";
}

TEST_F(RegistryTest, HashesOfFilesThatAreGoneAreForgotten) {
  auto registry = Registry::open(file_).value();
  const FileStamp stamp{1, 2, 3, 4, 5};
  ASSERT_TRUE(registry->set_verified(folder_ / "gone", stamp, "abc"));
  ASSERT_TRUE(registry->set_verified("/etc/hostname", stamp, "abc"));
  EXPECT_EQ(registry->verified(folder_ / "gone", stamp).value(), std::nullopt);
  ASSERT_TRUE(registry->put({.name = "m", .file = "/etc/hostname", .in_place = true}));
  ASSERT_TRUE(registry->erase("m"));
  EXPECT_EQ(registry->verified("/etc/hostname", stamp).value(), std::nullopt);
}

TEST_F(RegistryTest, ALicenseIsAskedForAgainWhenItsTextOrAddressIsAnother) {
  auto registry = Registry::open(file_).value();
  const auto accepted = [&](std::string_view url) { return registry->accepted_at("m", "L", url).value().has_value(); };
  ASSERT_TRUE(registry->accept("m", "L", "https://a"));
  EXPECT_TRUE(accepted("https://a"));
  EXPECT_FALSE(accepted("https://b"));
  EXPECT_TRUE(registry->check_license_text("m", "L", "hash of the text").value());
  EXPECT_TRUE(registry->check_license_text("m", "L", "hash of the text").value());
  EXPECT_FALSE(registry->check_license_text("m", "L", "hash of another").value());
  EXPECT_FALSE(accepted("https://a"));
  ASSERT_TRUE(registry->accept("m", "L", "https://a"));
  EXPECT_TRUE(registry->check_license_text("m", "L", "hash of another").value());
}

// On a full disk a person must be able to see what there is, and remove some of it.
TEST_F(RegistryTest, AFullDiskCanBeReadAndWrittenAgainWhenThereIsRoom) {
  const auto disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0) GTEST_SKIP() << "mounting a tmpfs needs root";
  {
    ASSERT_TRUE(Registry::open(disk / "registry.sqlite").value()->put({.name = "m", .file = "/m", .in_place = true}));
    std::ofstream filler(disk / "filler");
    while (filler << std::string(4096, 'x') << std::flush) continue;
    filler.close();
    auto registry = Registry::open(disk / "registry.sqlite");
    ASSERT_TRUE(registry) << registry.error().message;
    EXPECT_EQ((*registry)->models()->size(), 1u);
    const auto full = (*registry)->erase("m");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ErrorCode::kNoSpace) << full.error().message;
    std::filesystem::remove(disk / "filler");
    EXPECT_TRUE((*registry)->erase("m"));
    EXPECT_TRUE((*registry)->models()->empty());
  }
  ::umount2(disk.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace mlxr::store
