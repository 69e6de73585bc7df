// The examinations of `mlx doctor`.
#pragma once

#include "cli/doctor/finding.h"

namespace mlxr::cli {

// What MLXR needs to work for this user: folders, registry, models, the daemon, which is started, and its kernels.
Findings examine_health();

// What was installed: that it is whole, of one version and safe from others, and the one that a terminal and the service manager start.
// Starts nothing but what it examines, with --version.
Findings examine_installation();

}  // namespace mlxr::cli
