#include "platform/process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

TEST(Process, RunsWithoutAShellAndCapturesBothStreams) {
  auto child =
      Child::spawn({.argv = {"sh", "-c", "echo \"$0 $GREETING\"; echo err >&2; exit 3", "$HOME;"}, .environment = {{"GREETING", "hello"}}});
  ASSERT_TRUE(child) << child.error().message;
  EXPECT_EQ(child->wait(), 3);
  EXPECT_EQ(child->output(), "$HOME; hello\nerr\n");
}

TEST(Process, KillEndsIt) {
  auto child = Child::spawn({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(child);
  EXPECT_FALSE(child->poll());
  child->kill();
  EXPECT_EQ(child->wait(), 128 + 9);
}

TEST(Process, AProgramThatIsNotThereIsNotFound) {
#ifdef MLXR_EMULATED
  GTEST_SKIP() << "under qemu vfork does not wait for exec, so that nobody hears that it failed";
#endif
  EXPECT_EQ(Child::spawn({.argv = {"no-such-program-here"}}).error().code, ErrorCode::kNotFound);
}

// A lock or a pipe of the caller would be held for as long as the child lives.
TEST(Process, InheritsNoDescriptorAndNoWorkingFolder) {
  TemporaryFolder folder;
  const FileDescriptor inherited(::open(folder.path.c_str(), O_RDONLY));  // without O_CLOEXEC, as a shell's `exec 9>lock`
  const std::string script = "test -e /dev/fd/" + std::to_string(inherited.get()) + " && echo open; pwd";

  auto child = Child::spawn({.argv = {"sh", "-c", script}});
  ASSERT_TRUE(child) << child.error().message;
  child->wait();
  EXPECT_EQ(child->output(), "/\n");

  const auto log = folder.path / "log";
  const auto daemon = spawn_detached({.argv = {"sh", "-c", script}}, log);
  ASSERT_TRUE(daemon) << daemon.error().message;
  ::waitpid(*daemon, nullptr, 0);
  EXPECT_EQ(read_file(log, 100).value(), "/\n");
}

TEST(Process, RunsInTheFolderThatIsNamed) {
  TemporaryFolder folder;
  auto child = Child::spawn({.argv = {"pwd"}, .folder = folder.path});
  ASSERT_TRUE(child) << child.error().message;
  child->wait();
  EXPECT_EQ(child->output(), std::filesystem::canonical(folder.path).string() + "\n");
}

TEST(Process, KnowsItsOwnFile) { EXPECT_EQ(running_program().value().filename(), "test_platform"); }

}  // namespace
}  // namespace mlxr::platform
