#include "platform/cpu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/platform/temporary_folder.h"

#ifdef __linux__
namespace mlxr::platform {
namespace {

// A machine's /proc and /sys, as far as a quota is concerned.
class CpuQuota : public ::testing::Test {
 protected:
  void write(const std::filesystem::path& name, const char* text) {
    const auto file = root_.path / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  double quota() const { return cpu_quota(root_.path); }

  TemporaryFolder root_;
};

TEST_F(CpuQuota, NothingIsNoLimit) {
  EXPECT_EQ(quota(), INFINITY);
  write("proc/self/cgroup", "0::/user.slice");
  write("sys/fs/cgroup/user.slice/cpu.max", "max 100000");
  EXPECT_EQ(quota(), INFINITY);
}

TEST_F(CpuQuota, IsTheProcesssOwn) {
  write("proc/self/cgroup", "0::/user.slice/run.scope");
  write("sys/fs/cgroup/user.slice/run.scope/cpu.max", "150000 100000");
  write("sys/fs/cgroup/other.slice/cpu.max", "10000 100000");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(CpuQuota, TheTightestOfThoseAboveHolds) {
  write("proc/self/cgroup", "0::/user.slice/run.scope");
  write("sys/fs/cgroup/user.slice/run.scope/cpu.max", "400000 100000");
  write("sys/fs/cgroup/user.slice/cpu.max", "50000 100000");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(CpuQuota, AContainerSeesItsOwnAtTheTop) {
  write("proc/self/cgroup", "0::/docker/1234567890");  // as the host names it
  write("sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuota, NonsenseIsNoLimit) {
  for (const char* text : {"", "0 100000", "100000 0", "-1 100000", "many 100000", "100000"}) {
    write("proc/self/cgroup", "0::/../../etc");
    write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(quota(), INFINITY) << text;
  }
}

// Containers of Docker on older systems; the lines are theirs.
TEST_F(CpuQuota, OfCgroupVersion1) {
  write("proc/self/cgroup", "5:memory:/docker/12\n4:cpu,cpuacct:/docker/12\n1:name=systemd:/docker/12\n0::/system.slice");
  write("sys/fs/cgroup/cpu,cpuacct/docker/12/cpu.cfs_quota_us", "50000");
  write("sys/fs/cgroup/cpu,cpuacct/docker/12/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/memory/docker/12/memory.limit_in_bytes", "9223372036854771712");  // no limit
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600");
  EXPECT_EQ(quota(), 0.5);
  EXPECT_EQ(memory_limit(root_.path), 104857600u);
  write("sys/fs/cgroup/cpu,cpuacct/docker/12/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(quota(), INFINITY);
}

TEST_F(CpuQuota, OfCgroupVersion1MountedByTheControllersName) {
  write("proc/self/cgroup", "4:cpuacct,cpu:/job");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "150000");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(CpuQuota, AMemoryLimitIsTheTightestOfThoseAbove) {
  EXPECT_EQ(memory_limit(root_.path), UINT64_MAX);
  write("proc/self/cgroup", "0::/user.slice/run.scope");
  write("sys/fs/cgroup/user.slice/run.scope/memory.max", "max");
  write("sys/fs/cgroup/user.slice/memory.max", "300");
  EXPECT_EQ(memory_limit(root_.path), 300u);
}

TEST(UsableCores, IsAtLeastOne) { EXPECT_GE(usable_cores(), 1); }

}  // namespace
}  // namespace mlxr::platform
#endif
