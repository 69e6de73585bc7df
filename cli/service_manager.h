// The system's service manager, where MLXR is installed as one of its services: systemd's user units on Linux, launchd's agents on macOS.
// A daemon that it starts has its limits, its log, and its restart after a crash.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::cli {

enum class Started {
  kByService,   // the service manager has started the daemon, or had done so before
  kNotAService  // start the daemon as a process: no service is installed, it would start another program or in another environment (a
                // variable such as XDG_DATA_HOME or MLXR_KERNELS), or there is no service manager (a container, an ssh session without one)
};

// Asks this system's service manager to start `program`. Returns when the service has started; with systemd the daemon answers then.
// Errors: kIo (the service did not start; the message says how to see why), kCancelled.
Result<Started> start_service(const platform::Paths& paths, const std::filesystem::path& program, std::chrono::seconds limit,
                              const std::atomic<bool>& cancelled);

// The two that start_service chooses from. They ask the programs systemctl and launchctl on PATH.
Result<Started> start_by_systemd(const std::filesystem::path& program, std::chrono::seconds limit, const std::atomic<bool>& cancelled);
Result<Started> start_by_launchd(const platform::Paths& paths, const std::filesystem::path& program, std::chrono::seconds limit,
                                 const std::atomic<bool>& cancelled);

}  // namespace mlxr::cli
