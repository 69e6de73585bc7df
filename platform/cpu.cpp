#include "platform/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace mlxr::platform {

namespace fs = std::filesystem;

namespace {

#ifdef __linux__
// The first line of `file` in this process's cgroup and in each visible cgroup above it, because the limits of all of them apply. A
// container may see its own cgroup at the top, whatever its path on the host is. `controller` is empty for version 2 (one hierarchy, a line
// "0::/path" in /proc/self/cgroup), or a controller of version 1 ("4:cpu,cpuacct:/path", mounted under the name in the middle).
std::vector<std::string> cgroup_settings(const fs::path& root, std::string_view controller, const char* file) {
  fs::path top = root / "sys/fs/cgroup", folder = top;
  std::ifstream own(root / "proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto names = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? !names.empty() : !("," + names + ",").contains("," + std::string(controller) + ",")) continue;
    std::error_code unknown;
    top = root / "sys/fs/cgroup" / (controller.empty() || fs::exists(root / "sys/fs/cgroup" / names, unknown) ? names : controller);
    folder = (top / line.substr(std::min(second + 2, line.size()))).lexically_normal();
    if (!folder.native().starts_with(top.native())) folder = top;
  }
  std::vector<std::string> found;
  for (;; folder = folder.parent_path()) {
    std::ifstream in(folder / file);
    if (std::string line; std::getline(in, line)) found.push_back(line);
    if (folder == top || folder == folder.root_path()) return found;
  }
}

// The positive number in `text`, or nothing ("max", "-1").
std::optional<std::uint64_t> limit_in(const std::string& text) {
  std::uint64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  return error == std::errc() && end == text.data() + text.size() && limit > 0 ? std::optional(limit) : std::nullopt;
}
#endif

}  // namespace

double cpu_quota([[maybe_unused]] const fs::path& root) {
  double cores = INFINITY;
#ifdef __linux__
  for (const auto& line : cgroup_settings(root, "", "cpu.max")) {  // "quota period" in microseconds, or "max period"
    std::istringstream in(line);
    double quota = 0, period = 0;
    if (in >> quota >> period && quota > 0 && period > 0) cores = std::min(cores, quota / period);
  }
  const auto quotas = cgroup_settings(root, "cpu", "cpu.cfs_quota_us"), periods = cgroup_settings(root, "cpu", "cpu.cfs_period_us");
  for (std::size_t i = 0; i < std::min(quotas.size(), periods.size()); ++i) {
    const auto quota = limit_in(quotas[i]), period = limit_in(periods[i]);
    if (quota && period) cores = std::min(cores, static_cast<double>(*quota) / static_cast<double>(*period));
  }
#endif
  return cores;
}

std::uint64_t memory_limit([[maybe_unused]] const fs::path& root) {
  std::uint64_t bytes = UINT64_MAX;
#ifdef __linux__
  // Version 1 says "no limit" with a number near 2^63.
  for (const auto& [controller, file] : {std::pair{"", "memory.max"}, {"memory", "memory.limit_in_bytes"}})
    for (const auto& line : cgroup_settings(root, controller, file)) bytes = std::min(bytes, limit_in(line).value_or(UINT64_MAX));
#endif
  return bytes;
}

int usable_cores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  const double quota = cpu_quota("/");
  if (quota < cores) cores = static_cast<int>(std::ceil(quota));
#endif
  return std::max(cores, 1);
}

std::uint64_t usable_memory() {
  const std::uint64_t bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(bytes, memory_limit("/"));
}

}  // namespace mlxr::platform
