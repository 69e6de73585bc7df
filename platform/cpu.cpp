#include "platform/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace mlxr::platform {

namespace fs = std::filesystem;

namespace {

#ifdef __linux__
// What `file` holds in this process's cgroup (version 2) and in those above it, as far as they can be seen: a limit of any of them holds.
// A container may see its own folder at the top, under whatever path the host has for it.
std::vector<std::string> cgroup_settings(const fs::path& root, const char* file) {
  const fs::path top = root / "sys/fs/cgroup";
  fs::path folder = top;
  std::ifstream own(root / "proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    if (line.starts_with("0::/")) folder = (top / line.substr(4)).lexically_normal();
  }
  std::vector<std::string> found;
  for (;; folder = folder.parent_path()) {
    std::ifstream in(folder / file);
    if (std::string line; std::getline(in, line)) found.push_back(line);
    if (folder == top || folder == folder.root_path()) return found;
  }
}
#endif

}  // namespace

double cpu_quota([[maybe_unused]] const fs::path& root) {
  double cores = INFINITY;
#ifdef __linux__
  for (const auto& line : cgroup_settings(root, "cpu.max")) {  // "quota period" in microseconds, or "max period"
    std::istringstream in(line);
    double quota = 0, period = 0;
    if (in >> quota >> period && quota > 0 && period > 0) cores = std::min(cores, quota / period);
  }
#endif
  return cores;
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
  std::uint64_t bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
#ifdef __linux__
  for (const auto& line : cgroup_settings("/", "memory.max")) {  // bytes, or "max"
    std::istringstream in(line);
    std::uint64_t limit = 0;
    if (in >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
#endif
  return bytes;
}

}  // namespace mlxr::platform
