#include "platform/page_cache.h"

#include <algorithm>
#include <span>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace mlxr::platform {
namespace {

// The pages that a range has a part of.
std::span<std::byte> pages_of(const void* start, std::size_t bytes) {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto before = reinterpret_cast<std::uintptr_t>(start) % page;
  return {static_cast<std::byte*>(const_cast<void*>(start)) - before, bytes + before};
}

}  // namespace

void read_ahead(const void* start, std::size_t bytes) {
  // Linux reads no more for one call than the device takes in one request (or its readahead, if that is more), and forgets the rest.
  constexpr std::size_t kOneRequest = 128 << 10;
  const auto pages = pages_of(start, bytes);
  for (std::size_t at = 0; at < pages.size(); at += kOneRequest)
    ::posix_madvise(pages.data() + at, std::min(kOneRequest, pages.size() - at), POSIX_MADV_WILLNEED);
}

void read_pages_alone(const void* start, std::size_t bytes) {
  const auto pages = pages_of(start, bytes);
  ::posix_madvise(pages.data(), pages.size(), POSIX_MADV_RANDOM);
}

void let_go([[maybe_unused]] int fd, [[maybe_unused]] std::uint64_t at, const void* start, std::size_t bytes) {
  const auto pages = pages_of(start, bytes);
  ::madvise(pages.data(), pages.size(), MADV_DONTNEED);  // a page that is mapped would stay; posix_madvise does nothing on Linux
#if defined(__linux__)
  ::posix_fadvise(fd, static_cast<off_t>(at), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
#endif
}

}  // namespace mlxr::platform
