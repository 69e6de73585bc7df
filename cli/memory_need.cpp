#include "cli/memory_need.h"

#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include "cli/daemon_process.h"
#include "cli/format.h"
#include "platform/files.h"
#include "platform/process.h"
#include "store/descriptions.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

// Below the cache, which a sandboxed mlxrunnerd can read.
class DescriptionFolder {
 public:
  DescriptionFolder() {
    const auto paths = client_paths();
    if (!paths || !platform::make_folders(paths->cache, 0700)) return;
    std::string pattern = (paths->cache / "description-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~DescriptionFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  DescriptionFolder(const DescriptionFolder&) = delete;
  DescriptionFolder& operator=(const DescriptionFolder&) = delete;

  const fs::path& path() const { return path_; }  // empty: it could not be made

 private:
  fs::path path_;
};

}  // namespace

std::optional<MemoryNeed> memory_need(const fs::path& model, const std::string& sha256) {
  const auto program = find_daemon_program();
  if (!program) return std::nullopt;
  std::vector<std::string> argv{program->string(), "--memory-of", fs::absolute(model).string()};
  if (!sha256.empty()) argv.insert(argv.end(), {"--digest", sha256});
  auto child = platform::Child::spawn({.argv = std::move(argv)});
  if (!child || child->wait() != 0) return std::nullopt;
  const auto said = child->output();
  const auto begin = said.rfind("{\"weights\"");  // after warnings
  const auto json = begin == std::string::npos ? nlohmann::json() : nlohmann::json::parse(said.substr(begin), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto bytes = [&](const char* name) { return json.value(name, std::uint64_t{0}); };
  return MemoryNeed{.weights = bytes("weights"),
                    .active = bytes("active"),
                    .cache = bytes("cache"),
                    .total = bytes("total"),
                    .context = bytes("context"),
                    .limit = bytes("limit"),
                    .fits = json.value("fits", false),
                    .paged = json.value("paged", false),
                    .unpaged_why = json.value("unpaged_why", "")};
}

std::optional<MemoryNeed> memory_need(const store::Offer& offer, const store::PullOptions& options) {
  const DescriptionFolder folder;
  if (folder.path().empty()) return std::nullopt;
  const auto described = store::fetch_descriptions(offer, folder.path(), options);
  return described ? memory_need(*described) : std::nullopt;
}

std::string in_words(const MemoryNeed& need) {
  const auto weights = need.paged ? format_bytes(need.active) + " of " + format_bytes(need.weights) + " of weights"
                                  : "weights " + format_bytes(need.weights);
  auto text = format_bytes(need.total) + " of " + format_bytes(need.limit) + " (" + weights + ", cache up to " + format_bytes(need.cache) +
              " for " + std::to_string(need.context) + " tokens)";
  if (!need.fits) return text + ": it does not fit" + (need.unpaged_why.empty() ? "" : ". " + need.unpaged_why);
  if (need.paged) text += ": larger than memory, experts that are not in memory are read from disk when a token needs them";
  return text;
}

nlohmann::ordered_json to_json(const MemoryNeed& need) {
  return {{"weights", need.weights}, {"active", need.active},   {"cache", need.cache},
          {"total", need.total},     {"context", need.context}, {"limit", need.limit},
          {"fits", need.fits},       {"paged", need.paged},     {"unpaged_why", need.unpaged_why}};
}

}  // namespace mlxr::cli
