#include "store/descriptions.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <fcntl.h>
#include <unistd.h>

#include "core/formats/gguf.h"
#include "platform/files.h"
#include "store/source.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFirst = 1 << 20;  // enough without a vocabulary
constexpr std::uint64_t kLongest = 64 << 20;

bool is_whole_description(const std::string& bytes, const OfferedFile& file) {
  const auto head = std::as_bytes(std::span(bytes));
  return bytes.size() == file.size || formats::parse_gguf_head({head.begin(), head.end()}, file.size, file.file).has_value();
}

Result<std::string> fetch_description(const OfferedFile& file, const PullOptions& options) {
  const auto& parts = file.sources.front();
  if (file.size == 0 || parts.size() != 1) return fail(ErrorCode::kUnsupported, file.file + " has no size, or is in several parts.");
  const auto source = Source::parse(parts.front());
  if (!source) return fail(source.error());
  const FetchContext context{.allow_plain_http = options.allow_plain_http, .cancelled = options.cancelled};
  std::string bytes;
  for (auto end = std::min(kFirst, file.size);; end = std::min(end * 4, file.size)) {
    if (auto read = (*source)->read_beginning(bytes, end, context); !read) return fail(read.error());
    if (is_whole_description(bytes, file)) return bytes;
    if (end >= kLongest || bytes.size() < end) return fail(ErrorCode::kCorrupt, file.file + " has no readable description.");
  }
}

Result<void> write_with_hole(const fs::path& path, const std::string& bytes, std::uint64_t size) {
  const platform::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return fail(platform::os_error(errno, "Cannot write " + path.string()));
  if (auto ok = platform::write_all(file.get(), bytes, path); !ok) return ok;
  if (::ftruncate(file.get(), static_cast<off_t>(size)) == 0) return {};
  return fail(platform::os_error(errno, "Cannot write " + path.string()));
}

}  // namespace

Result<fs::path> fetch_descriptions(const Offer& offer, const fs::path& folder, const PullOptions& options) {
  auto files = offer.shards;
  if (files.empty()) files.push_back({.file = offer.file, .size = offer.size, .sha256 = offer.sha256, .sources = offer.sources});
  for (const auto& file : files) {
    const auto bytes = fetch_description(file, options);
    if (!bytes) return fail(bytes.error());
    if (auto written = write_with_hole(folder / file.file, *bytes, file.size); !written) return fail(written.error());
  }
  return folder / files.front().file;
}

}  // namespace mlxr::store
