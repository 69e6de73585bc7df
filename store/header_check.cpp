#include "store/header_check.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fcntl.h>
#include <unistd.h>

#include "platform/files.h"

namespace mlxr::store {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::size_t kBeginning = 512;

bool begins_like_html(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first == std::string_view::npos) return false;
  std::string begin(text.substr(first, 14));
  std::ranges::transform(begin, begin.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return begin.starts_with("<!doctype html") || begin.starts_with("<html");
}

Result<std::string> beginning_of(const PartialFile& file) {
  const platform::FileDescriptor fd(::open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, kBeginning> buffer;
  const ssize_t n = fd ? ::pread(fd.get(), buffer.data(), buffer.size(), 0) : -1;
  if (n < 0) return fail(platform::os_error(errno, "Cannot read " + file.path().string()));
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

}  // namespace

Result<void> HeaderCheck::look(const PartialFile& file) {
  if (is_done_ || file.size() < kMagic.size()) return {};
  is_done_ = true;
  const auto text = beginning_of(file);
  if (!text) return fail(text.error());
  if (text->starts_with(kMagic)) return {};
  const std::string what = begins_like_html(*text) ? " is a web page, not a model file. On a model's page, copy the address of its "
                                                     "download, not of the page."
                                                   : " is not a GGUF model file.";
  return fail(ErrorCode::kCorrupt, source_ + what + " The download was stopped; nothing of it was kept.");
}

}  // namespace mlxr::store
