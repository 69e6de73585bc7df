#include "platform/log_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

TEST(LogFile, BeginsAnewWhenItIsFull) {
  TemporaryFolder folder;
  const auto log = folder.path / "a.log";
  for (const char* line : {"one\n", "two\n", "six\n"}) {
    const auto fd = open_log(log, 8);
    ASSERT_TRUE(fd) << fd.error().message;
    ASSERT_TRUE(write_all(fd->get(), line, log));
  }
  EXPECT_EQ(read_file(log, 100).value(), "six\n");
  EXPECT_EQ(read_file(older_log(log), 100).value(), "one\ntwo\n");
  struct stat info{};
  ASSERT_EQ(::stat(log.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(LogFile, APipeInItsPlaceIsAnError) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder.path / "a.log").c_str(), 0600), 0);
  EXPECT_FALSE(open_log(folder.path / "a.log")) << "and no wait for a reader";
}

// A daemon runs for weeks with the log that was opened when it started.
TEST(LogFile, AProcessMovesItsOwnStderr) {
  TemporaryFolder folder;
  const auto log = folder.path / "a.log";
  const FileDescriptor before(::dup(STDERR_FILENO));
  ASSERT_TRUE(write_file_atomically(log, "x"));
  ASSERT_TRUE(limit_own_log(log, 1));
  EXPECT_FALSE(std::filesystem::exists(older_log(log))) << "stderr does not go to this file";

  ASSERT_EQ(::dup2(open_log(log, 100)->get(), STDERR_FILENO), STDERR_FILENO);
  const auto small = limit_own_log(log, 100);
  const auto full = limit_own_log(log, 1);
  const auto written = write_all(STDERR_FILENO, "new\n", log);
  ::dup2(before.get(), STDERR_FILENO);
  EXPECT_TRUE(small && full && written);
  EXPECT_EQ(read_file(log, 100).value(), "new\n");
  EXPECT_EQ(read_file(older_log(log), 100).value(), "x");
}

}  // namespace
}  // namespace mlxr::platform
