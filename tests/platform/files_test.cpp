#include "platform/files.h"

#include <fstream>
#include <optional>

#include <sys/stat.h>

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

TEST(Files, ALockIsHeldOnceAndReleased) {
  TemporaryFolder folder;
  std::optional<FileLock> lock = FileLock::acquire(folder.path / "lock").value();
  EXPECT_EQ(FileLock::acquire(folder.path / "lock").error().code, ErrorCode::kAlreadyExists);
  lock.reset();
  EXPECT_TRUE(FileLock::acquire(folder.path / "lock"));
}

TEST(Files, APrivateFolderIsNarrowedAndNeverALink) {
  TemporaryFolder folder;
  const auto wide = folder.path / "wide";
  std::filesystem::create_directory(wide);
  std::filesystem::permissions(wide, std::filesystem::perms::all);
  ASSERT_TRUE(make_private_folder(wide));
  EXPECT_EQ(mode_of(wide), 0700u);
  ASSERT_TRUE(make_private_folder(folder.path / "a/b"));
  EXPECT_EQ(mode_of(folder.path / "a/b"), 0700u);
  std::filesystem::create_directory_symlink(wide, folder.path / "link");
  EXPECT_EQ(make_private_folder(folder.path / "link").error().code, ErrorCode::kPermission);
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

TEST(Time, IsRfc3339) { EXPECT_EQ(to_rfc3339(1'000'000'000), "2001-09-09T01:46:40Z"); }

}  // namespace
}  // namespace mlxr::platform
