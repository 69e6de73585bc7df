#include "store/header_check.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <vector>

#include <fcntl.h>
#include <mlxrunner/can_run.h>
#include <unistd.h>

#include "platform/files.h"

namespace mlxr::store {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kFirstHeader = 64 << 10;
constexpr std::uint64_t kLongestHeader = 64 << 20;  // a longer header is checked when the file is complete
constexpr std::uint64_t kUnknownSize = std::uint64_t{1} << 50;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

bool begins_like_html(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first == std::string_view::npos) return false;
  std::string begin(text.substr(first, 14));
  std::ranges::transform(begin, begin.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return begin.starts_with("<!doctype html") || begin.starts_with("<html");
}

Result<std::vector<std::byte>> beginning_of(const PartialFile& file, std::uint64_t bytes) {
  const platform::FileDescriptor fd(::open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<std::byte> head(bytes);
  const ssize_t n = fd ? ::pread(fd.get(), head.data(), head.size(), 0) : -1;
  if (n < 0) return fail(platform::os_error(errno, "Cannot read " + file.path().string()));
  head.resize(static_cast<std::size_t>(n));
  return head;
}

}  // namespace

Result<void> HeaderCheck::look(const PartialFile& file) {
  if (file.size() < next_) return {};
  const auto head = beginning_of(file, std::min(file.size(), kLongestHeader));
  if (!head) return fail(head.error());
  const std::string_view text(reinterpret_cast<const char*>(head->data()), head->size());
  if (!text.starts_with(kMagic)) {
    const std::string what = begins_like_html(text) ? " is a web page, not a model file. On a model's page, copy the address of its "
                                                      "download, not of the page."
                                                    : " is not a GGUF model file.";
    return fail(ErrorCode::kCorrupt, source_ + what + " The download was stopped, and what had arrived was deleted.");
  }
  if (file.size() < kFirstHeader) {
    next_ = kFirstHeader;
    return {};
  }
  const auto verdict = can_run(*head, file.limit() == 0 ? kUnknownSize : file.limit(), file.path().filename().string());
  next_ = verdict || head->size() == kLongestHeader ? kNever : 2 * file.size();
  if (!verdict || *verdict || verdict->error().code != ErrorCode::kUnsupported) return {};
  return fail(ErrorCode::kUnsupported, verdict->error().message + " The download was stopped, and what had arrived was deleted.");
}

}  // namespace mlxr::store
