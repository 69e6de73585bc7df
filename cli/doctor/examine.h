// The examinations of `mlx doctor`.
#pragma once

#include "cli/doctor/finding.h"

namespace mlxr::cli {

// What MLXR needs to work for this user: folders, registry, models, the daemon, which is started, and its kernels.
Findings examine_health();

// The installation: complete, of one version, not writable for other users, and the one that a terminal and the service manager start.
// Starts no daemon; runs the programs that it checks with --version.
Findings examine_installation();

}  // namespace mlxr::cli
