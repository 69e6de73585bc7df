#include "platform/running_daemon.h"

#include <fstream>
#include <optional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

class RunningDaemonTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path / "mlxrunnerd.lock";
};

TEST_F(RunningDaemonTest, SaysWhoHoldsTheLockAndWhereItListens) {
  EXPECT_FALSE(running_daemon(file_));
  EXPECT_FALSE(std::filesystem::exists(file_)) << "asking creates nothing";
  std::optional<DaemonLock> lock = DaemonLock::acquire(file_, "/run/a socket").value();
  const auto running = running_daemon(file_);
  ASSERT_TRUE(running);
  EXPECT_EQ(running->pid, ::getpid());
  EXPECT_EQ(running->socket, "/run/a socket");
  lock.reset();
  EXPECT_FALSE(running_daemon(file_));
}

TEST_F(RunningDaemonTest, TheSecondIsToldThePidAndTheSocketOfTheFirst) {
  const auto first = DaemonLock::acquire(file_, "/run/a").value();
  const auto second = DaemonLock::acquire(file_, "/run/b");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(second.error().message,
            "mlxrunnerd is already running (pid " + std::to_string(::getpid()) + ") on /run/a. Stop it with: mlx stop");
}

TEST_F(RunningDaemonTest, WhatADeadDaemonWroteDoesNotCount) {
  std::ofstream(file_) << ::getpid() << "\n/run/a\n";  // a process of that number lives again
  EXPECT_FALSE(running_daemon(file_));
}

TEST_F(RunningDaemonTest, WhileItStartsNothingIsKnownOfIt) {
  const auto lock = DaemonLock::acquire(file_, "/run/a").value();
  for (const char* text : {"", "12", "x\n", "12\n/run/hal"}) {
    std::ofstream(file_, std::ios::trunc) << text;
    const auto running = running_daemon(file_);
    ASSERT_TRUE(running);
    EXPECT_EQ(running->socket, "") << text;
  }
}

TEST_F(RunningDaemonTest, ALockThatIsRemovedOrReplacedIsNoticed) {
  const auto lock = DaemonLock::acquire(file_, "/run/a").value();
  EXPECT_TRUE(lock.is_in_place());
  std::filesystem::rename(file_, folder_.path / "away");
  EXPECT_FALSE(lock.is_in_place());
  std::ofstream(file_) << "another";
  EXPECT_FALSE(lock.is_in_place());
  std::filesystem::rename(folder_.path / "away", file_);
  EXPECT_TRUE(lock.is_in_place());
}

}  // namespace
}  // namespace mlxr::platform
