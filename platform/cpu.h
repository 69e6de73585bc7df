// What this process may use of the machine.
#pragma once

#include <cstdint>

namespace mlxr::platform {

// Cores that this process may run on: the smaller of its affinity and its cgroup's CPU quota (rounded up). At least 1.
int usable_cores();

// Bytes of memory of the machine, or of the cgroup where it has a smaller limit.
std::uint64_t usable_memory();

}  // namespace mlxr::platform
