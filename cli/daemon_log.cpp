#include "cli/daemon_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "platform/files.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto kPollInterval = std::chrono::milliseconds(200);
constexpr std::size_t kBlock = 64UL * 1024;

bool is_same_file(int descriptor, const fs::path& file) {
  struct stat opened{};
  struct stat named{};
  return ::fstat(descriptor, &opened) == 0 && ::stat(file.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

fs::path daemon_log(const platform::Paths& paths) { return paths.logs / "mlxrunnerd.log"; }

Result<std::string> last_lines(const fs::path& file, std::size_t lines) {
  const auto descriptor = platform::open_regular_file(file);
  if (!descriptor) return fail(descriptor.error());
  off_t begin = ::lseek(descriptor->get(), 0, SEEK_END);
  std::string text;
  std::size_t breaks = 0;
  std::array<char, kBlock> block{};
  while (begin > 0 && breaks <= lines) {
    const auto wanted = static_cast<std::size_t>(std::min<off_t>(begin, kBlock));
    begin -= static_cast<off_t>(wanted);
    const ssize_t got = ::pread(descriptor->get(), block.data(), wanted, begin);
    if (got < 0) return fail(platform::os_error(errno, "Cannot read " + file.string()));
    text.insert(0, block.data(), static_cast<std::size_t>(got));
    for (ssize_t i = 0; i < got; ++i) breaks += block.at(static_cast<std::size_t>(i)) == '\n' ? 1 : 0;
  }
  std::size_t at = text.size();
  if (at > 0 && text.back() == '\n') --at;
  for (std::size_t line = 0; line < lines; ++line) {
    if (at == 0) return text;
    const std::size_t before = text.rfind('\n', at - 1);
    if (before == std::string::npos) return text;
    at = before;
  }
  return text.substr(std::min(at + 1, text.size()));
}

void follow(const fs::path& file, std::uintmax_t from, const std::atomic<bool>& cancelled,
            const std::function<bool(std::string_view)>& on_text) {
  auto descriptor = platform::open_regular_file(file).value_or(platform::FileDescriptor());
  auto at = static_cast<off_t>(from);
  std::array<char, kBlock> block{};
  while (!cancelled) {
    struct stat status{};
    if (descriptor && ::fstat(descriptor.get(), &status) == 0 && status.st_size < at) at = 0;
    const ssize_t got = descriptor ? ::pread(descriptor.get(), block.data(), block.size(), at) : 0;
    if (got > 0) {
      at += got;
      if (!on_text({block.data(), static_cast<std::size_t>(got)})) return;
      continue;
    }
    if (!descriptor || !is_same_file(descriptor.get(), file)) {
      if (auto renewed = platform::open_regular_file(file)) {
        descriptor = std::move(*renewed);
        at = 0;
        continue;
      }
    }
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace mlxr::cli
