#include "store/weight_cache.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <sys/stat.h>

#include "platform/files.h"
#include "platform/sha256.h"
#include "platform/time.h"

namespace mlxr::store {

namespace fs = std::filesystem;

std::vector<CachedWeights> cached_weights(const fs::path& cache) {
  std::vector<std::pair<std::time_t, CachedWeights>> found;
  std::error_code ec;
  for (fs::directory_iterator it(cache, ec), end; !ec && it != end; it.increment(ec)) {
    const auto& entry = *it;
    const auto stem = entry.path().stem().string();  // SHA-256, '-', layout
    const auto dash = stem.find('-');
    struct stat info{};
    if (entry.path().extension() != ".panels" || dash == std::string::npos || !platform::is_sha256(stem.substr(0, dash)) ||
        ::lstat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode))
      continue;
    found.push_back({info.st_mtime,
                     {.file = entry.path(),
                      .sha256 = stem.substr(0, dash),
                      .layout = stem.substr(dash + 1),
                      .size = static_cast<std::uint64_t>(info.st_size),
                      .used_at = platform::to_rfc3339(info.st_mtime)}});
  }
  std::ranges::sort(found,
                    [](const auto& a, const auto& b) { return std::tie(b.first, a.second.file) < std::tie(a.first, b.second.file); });
  std::vector<CachedWeights> weights;
  for (auto& [used, one] : found) weights.push_back(std::move(one));
  return weights;
}

Result<std::vector<CachedWeights>> clear_cached_weights(const fs::path& cache, std::string_view sha256) {
  std::vector<CachedWeights> deleted;
  for (auto& one : cached_weights(cache)) {
    if (!sha256.empty() && one.sha256 != sha256) continue;
    std::error_code ec;
    fs::remove(one.file, ec);
    if (ec) return fail(platform::os_error(ec.value(), "Cannot delete " + one.file.string()));
    deleted.push_back(std::move(one));
  }
  return deleted;
}

}  // namespace mlxr::store
