// The examinations of `mlx doctor`.
#pragma once

#include "cli/doctor/finding.h"

namespace mlxr::cli {

// Checks what MLXR needs to work for this user: folders, registry, models, the daemon (which it starts) and its kernels.
Findings examine_health();

// Checks that the installation is complete, of one version, not writable by other users, and the one that a terminal and the service
// manager start. Does not start the daemon; runs the programs that it checks with --version.
Findings examine_installation();

}  // namespace mlxr::cli
