#include "platform/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace mlxr::platform {
namespace {

#ifdef __linux__
// The folder of this process's cgroup (version 2), or where a container sees it.
std::string cgroup_folder() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("0::")) return "/sys/fs/cgroup" + line.substr(3);
  }
  return "/sys/fs/cgroup";
}

// cpu.max holds "quota period" in microseconds, or "max period".
double cpu_quota() {
  std::ifstream in(cgroup_folder() + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return INFINITY;
  return std::strtod(quota.c_str(), nullptr) / period;
}
#endif

}  // namespace

int usable_cores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  const double quota = cpu_quota();
  if (quota < cores) cores = static_cast<int>(std::ceil(quota));
#endif
  return std::max(cores, 1);
}

std::uint64_t usable_memory() {
  std::uint64_t bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
#ifdef __linux__
  std::ifstream in(cgroup_folder() + "/memory.max");
  std::uint64_t limit = 0;
  if (in >> limit && limit > 0) bytes = std::min(bytes, limit);
#endif
  return bytes;
}

}  // namespace mlxr::platform
