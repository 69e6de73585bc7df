#include "platform/process.h"

#include <gtest/gtest.h>

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

TEST(Process, KnowsItsOwnFile) { EXPECT_EQ(running_program().value().filename(), "test_platform"); }

}  // namespace
}  // namespace mlxr::platform
