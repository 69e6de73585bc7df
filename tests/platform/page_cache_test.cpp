#include "platform/page_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/files.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

#if defined(__linux__)

// A mapped file of 64 pages, which are on the disk.
class PageCacheTest : public testing::Test {
 protected:
  PageCacheTest() {
    const std::vector<std::byte> page(page_, std::byte{1});
    for (std::size_t i = 0; i < kPages; ++i) EXPECT_EQ(::write(file_.get(), page.data(), page_), static_cast<ssize_t>(page_));
    ::fsync(file_.get());
    start_ = static_cast<std::byte*>(::mmap(nullptr, kPages * page_, PROT_READ, MAP_SHARED, file_.get(), 0));
  }
  ~PageCacheTest() override { ::munmap(start_, kPages * page_); }

  std::vector<bool> resident() const {
    std::vector<unsigned char> pages(kPages);
    EXPECT_EQ(::mincore(start_, kPages * page_, pages.data()), 0);
    std::vector<bool> result;
    for (const auto one : pages) result.push_back((one & 1) != 0);
    return result;
  }
  static auto count(const std::vector<bool>& pages) { return std::ranges::count(pages, true); }

  static constexpr std::size_t kPages = 64;
  const std::size_t page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const TemporaryFolder folder_;
  const FileDescriptor file_{::open((folder_.path / "file").c_str(), O_RDWR | O_CREAT, 0600)};
  std::byte* start_ = nullptr;
};

// llama.cpp#26003: advice about a range that does not begin with a page was refused by the system, and nobody noticed.
TEST_F(PageCacheTest, ARangeMayBeginAnywhere) {
  volatile std::byte used = start_[0];
  (void)used;
  let_go(file_.get(), 0, start_, kPages * page_);
  if (count(resident()) == static_cast<long>(kPages)) GTEST_SKIP() << "the temporary folder has no disk (tmpfs)";
  EXPECT_EQ(count(resident()), 0);

  read_pages_alone(start_ + 100, (kPages - 1) * page_);
  used = start_[20 * page_];
  EXPECT_EQ(count(resident()), 1) << "its neighbours were read too";

  read_ahead(start_ + 30 * page_ + 100, 4 * page_);  // in 5 pages
  const auto all_read = [&] {
    const auto pages = resident();
    return std::count(pages.begin() + 30, pages.begin() + 35, true) == 5;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!all_read() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(count(resident()), 6);
}

#endif

}  // namespace
}  // namespace mlxr::platform
