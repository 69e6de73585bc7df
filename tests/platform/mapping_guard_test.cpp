#include "platform/mapping_guard.h"

#include <cstddef>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

constexpr std::size_t kBytes = 1 << 20;

// A mapped file of 'x'.
class Mapped {
 public:
  explicit Mapped(const std::filesystem::path& file) {
    std::ofstream(file) << std::string(kBytes, 'x');
    const int fd = ::open(file.c_str(), O_RDONLY);
    start_ = static_cast<const char*>(::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd, 0));
    ::close(fd);
  }
  ~Mapped() { ::munmap(const_cast<char*>(start_), kBytes); }
  const char* start() const { return start_; }

 private:
  const char* start_;
};

TEST(MappingGuard, ReadersOfAFileThatIsCutGoOnAndSeeIt) {
  const TemporaryFolder folder;
  const Mapped cut(folder.path / "cut"), whole(folder.path / "whole");
  const MappingGuard guard(cut.start(), kBytes), other(whole.start(), kBytes);
  EXPECT_TRUE(mapping_is_intact(cut.start()));
  std::filesystem::resize_file(folder.path / "cut", 4096);
  std::vector<std::thread> readers;  // as the threads of a kernel are: at the same pages at the same time
  std::vector<std::size_t> xs(4);
  for (auto& seen : xs) {
    readers.emplace_back([&] {
      for (std::size_t i = 0; i < kBytes; ++i) seen += static_cast<const volatile char*>(cut.start())[i] == 'x';
    });
  }
  for (auto& reader : readers) reader.join();
  for (const auto seen : xs) EXPECT_LT(seen, kBytes);
  EXPECT_FALSE(mapping_is_intact(cut.start()));
  EXPECT_FALSE(mapping_is_intact(cut.start() + kBytes - 1));
  EXPECT_TRUE(mapping_is_intact(whole.start()));
}

TEST(MappingGuard, WhatIsNotGuardedEndsTheProcessAsBefore) {
  const TemporaryFolder folder;
  const Mapped guarded(folder.path / "guarded"), bare(folder.path / "bare");
  const MappingGuard guard(guarded.start(), kBytes);
  std::filesystem::resize_file(folder.path / "bare", 0);
  EXPECT_TRUE(mapping_is_intact(bare.start()));
  EXPECT_EXIT({ (void)static_cast<const volatile char*>(bare.start())[4096]; }, testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace mlxr::platform
