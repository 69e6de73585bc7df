// What this process may use of the machine.
#pragma once

#include <cstdint>
#include <filesystem>

namespace mlxr::platform {

// Cores' worth of time that this process's cgroup and those above it grant; infinity where nothing limits it. `root` is where /proc and
// /sys lie: for tests, another folder than "/".
double cpu_quota(const std::filesystem::path& root);

// Cores that this process may run on: the smaller of its affinity and its cgroup's CPU quota (rounded up). At least 1.
int usable_cores();

// Bytes of memory that this process's cgroup and those above it grant; UINT64_MAX where nothing limits it. `root` as above.
std::uint64_t memory_limit(const std::filesystem::path& root);

// Bytes of memory of the machine, or of the cgroup where it has a smaller limit.
std::uint64_t usable_memory();

}  // namespace mlxr::platform
