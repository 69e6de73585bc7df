// How much of the machine this process may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace mlxr::platform {

// CPU time, in cores, that this process's cgroup and those above it allow; infinity if there is no limit. `root` is the folder with /proc
// and /sys; tests use a folder other than "/".
double cpu_quota(const std::filesystem::path& root);

// Cores that this process may run on: the smaller of its affinity and its cgroup's CPU quota (rounded up). At least 1.
int usable_cores();

// Bytes of memory that this process's cgroup and those above it allow; UINT64_MAX if there is no limit. `root` as above.
std::uint64_t memory_limit(const std::filesystem::path& root);

// Bytes of memory of the machine, or the limit of the cgroup if that is smaller.
std::uint64_t usable_memory();

}  // namespace mlxr::platform
