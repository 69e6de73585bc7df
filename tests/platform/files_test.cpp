#include "platform/files.h"

#include <fstream>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include "platform/clone_file.h"
#include "platform/sha256.h"
#include "platform/time.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info{};
  ::stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

TEST(Files, AreWrittenWholeAndReadWithACap) {
  TemporaryFolder folder;
  const auto file = folder.path / "f";
  ASSERT_TRUE(write_file_atomically(file, "old"));
  ASSERT_TRUE(write_file_atomically(file, "newer", 0600));
  EXPECT_EQ(read_file(file, 5).value(), "newer");
  EXPECT_EQ(mode_of(file), 0600u);
  EXPECT_EQ(read_file(file, 4).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(folder.path / "none", 4).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1);  // no temporary file stays
}

// Beside a model, a FIFO named model.gguf.sha256 would make every request for it wait for a writer.
TEST(Files, OnlyRegularFilesAreRead) {
  TemporaryFolder folder;
  const auto fifo = folder.path / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::filesystem::create_symlink(fifo, folder.path / "link");
  for (const auto& other : {fifo, folder.path / "link", folder.path, std::filesystem::path("/dev/zero")}) {
    const auto text = read_file(other, 1000);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(text.error().message.starts_with(other.string() + " is ")) << text.error().message;
    EXPECT_FALSE(hash_file(other));
    EXPECT_FALSE(clone_file(other, folder.path / "copy", nullptr));
  }
  std::ofstream(folder.path / "file") << "text";
  std::filesystem::create_symlink("file", folder.path / "link to a file");
  EXPECT_EQ(read_file(folder.path / "link to a file", 1000).value(), "text");
}

TEST(Files, WhatIsThereIncludesALinkThatLeadsNowhere) {
  TemporaryFolder folder;
  std::filesystem::create_symlink(folder.path / "gone", folder.path / "link");
  EXPECT_TRUE(is_there(folder.path / "link"));
  EXPECT_TRUE(is_there(folder.path));
  EXPECT_FALSE(is_there(folder.path / "gone"));
}

TEST(Files, ALockIsHeldOnceAndReleased) {
  TemporaryFolder folder;
  std::optional<FileLock> lock = FileLock::acquire(folder.path / "lock").value();
  EXPECT_EQ(FileLock::acquire(folder.path / "lock").error().code, ErrorCode::kAlreadyExists);
  lock.reset();
  EXPECT_TRUE(FileLock::acquire(folder.path / "lock"));
}

TEST(Files, APrivateFolderIsMadeForItsOwnerAlone) {
  TemporaryFolder folder;
  ASSERT_TRUE(make_private_folder(folder.path / "a/b"));
  EXPECT_EQ(mode_of(folder.path / "a/b"), 0700u);
  EXPECT_TRUE(make_private_folder(folder.path / "a/b"));
}

// Such a folder may be /tmp, /run or the user's home.
TEST(Files, AFolderThatExistsIsNeverChanged) {
  TemporaryFolder folder;
  for (const mode_t mode : {0755u, 0750u, 0777u, 0775u, 01777u}) {
    const auto open = folder.path / "open";
    std::filesystem::create_directory(open);
    ::chmod(open.c_str(), mode);
    const auto used = make_private_folder(open, "Choose another.");
    EXPECT_EQ(used.has_value(), (mode & 022) == 0) << std::oct << mode;
    EXPECT_EQ(mode_of(open), mode);
    if (!used) {
      EXPECT_EQ(used.error().code, ErrorCode::kPermission);
      EXPECT_TRUE(used.error().message.starts_with(open.string() + " can be changed by other users.")) << used.error().message;
      EXPECT_TRUE(used.error().message.ends_with("Choose another.")) << used.error().message;
      EXPECT_EQ(used.error().message.contains("chmod go-w"), (mode & 01000) == 0) << "never on a folder such as /tmp";
    }
    std::filesystem::remove(open);
  }
}

TEST(Files, ALinkToAFolderOnAnotherDiskIsFollowed) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder.path / "disk");
  std::filesystem::create_directory_symlink(folder.path / "disk", folder.path / "link");
  EXPECT_TRUE(make_private_folder(folder.path / "link"));
  std::filesystem::permissions(folder.path / "disk", std::filesystem::perms::all);
  EXPECT_EQ(make_private_folder(folder.path / "link").error().code, ErrorCode::kPermission);

  std::filesystem::create_symlink(folder.path / "gone", folder.path / "broken");
  EXPECT_EQ(make_private_folder(folder.path / "broken").error().code, ErrorCode::kNotFound);
  std::ofstream(folder.path / "file") << "precious";
  EXPECT_EQ(make_private_folder(folder.path / "file").error().code, ErrorCode::kPermission);
}

TEST(Files, AFolderOrLinkOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder to another user";
  TemporaryFolder folder;
  const auto theirs = folder.path / "theirs", link = folder.path / "link";
  std::filesystem::create_directory(theirs);
  std::filesystem::create_directory_symlink(folder.path, link);
  for (const auto& path : {theirs, link}) {
    ASSERT_EQ(::lchown(path.c_str(), 1234, 1234), 0);
    const auto refused = make_private_folder(path);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kPermission);
    EXPECT_NE(refused.error().message.find("user 1234"), std::string::npos) << refused.error().message;
  }
}

TEST(Files, HaveTheHashesOfTheStandard) {  // FIPS 180-4, "abc"
  TemporaryFolder folder;
  std::ofstream(folder.path / "abc") << "abc";
  constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(hash_file(folder.path / "abc").value(), kAbc);
  Sha256 hash;
  hash.update("a", 1);
  hash.update("bc", 2);
  EXPECT_EQ(hash.hex(), kAbc);
}

TEST(Time, IsRfc3339) {
  EXPECT_EQ(to_rfc3339(1'000'000'000), "2001-09-09T01:46:40Z");
  EXPECT_EQ(to_rfc3339(std::chrono::sys_seconds(std::chrono::seconds(1'000'000'000)) + std::chrono::microseconds(42)),
            "2001-09-09T01:46:40.000042Z");
}

}  // namespace
}  // namespace mlxr::platform
