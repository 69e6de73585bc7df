// The system's service manager, where MLXR is installed as one of its services: systemd's user units on Linux, launchd's agents on macOS.
// A daemon started by it has the service's resource limits, log, and restart after a crash.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::cli {

enum class Started {
  kByService,   // the service manager has started the daemon, now or earlier
  kNotAService  // start the daemon as a process: no service is installed; or it would start another program, or with other environment
                // variables (such as XDG_DATA_HOME or MLXR_KERNELS); or there is no service manager (a container, some ssh sessions)
};

// Asks this system's service manager to start `program`. Returns when the service has started; with systemd the daemon answers then.
// Errors: kIo (the service did not start; the message says how to see why), kCancelled.
Result<Started> start_service(const platform::Paths& paths, const std::filesystem::path& program, std::chrono::seconds limit,
                              const std::atomic<bool>& cancelled);

// The implementations for systemd and launchd. They run systemctl or launchctl from PATH.
Result<Started> start_by_systemd(const std::filesystem::path& program, std::chrono::seconds limit, const std::atomic<bool>& cancelled);
Result<Started> start_by_launchd(const platform::Paths& paths, const std::filesystem::path& program, std::chrono::seconds limit,
                                 const std::atomic<bool>& cancelled);

}  // namespace mlxr::cli
