// The parts of examine_installation, one file each.
#pragma once

#include "cli/doctor/finding.h"
#include "cli/doctor/installation.h"
#include "platform/paths.h"

namespace mlxr::cli {

Findings check_parts(const Installation& one);       // the files of the installation: complete, of one version, not writable by other users
Findings check_signatures(const Installation& one);  // code signatures on a Mac, or the checksums of dpkg
Findings check_copies(const Installation& one);      // the mlx that PATH finds, and others
Findings check_service(const Installation& one, const platform::Paths& paths);        // what starts the daemon at login
Findings check_daemon_in_use(const Installation& one, const platform::Paths& paths);  // the daemon that runs now
Findings check_settings(const platform::Paths& paths);                                // server.yaml and managed settings
Findings check_data(const platform::Paths& paths);  // other users must not be able to change this user's folders

}  // namespace mlxr::cli
