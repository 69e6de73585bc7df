// Finding, starting and stopping mlxrunnerd.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>

#include "cli/client_error.h"
#include "cli/interrupt.h"
#include "platform/paths.h"

namespace mlxr::cli {

// Where the daemon listens. The daemon of this data folder says so itself while it runs, whatever this environment and the settings say
// by now; else `uds` in the settings, else paths.socket.
std::filesystem::path daemon_socket(const platform::Paths& paths);

// Paths::from_environment with that socket. Errors: those of from_environment, and kInvalidArgument (the socket's path is too long).
Result<platform::Paths> client_paths();

// The mlxrunnerd beside this program's own file, else the first one on PATH. Errors: kNotFound (says where it was looked for).
Result<std::filesystem::path> find_daemon_program();

// Starts mlxrunnerd when none answers, and waits until it answers: through the system's service manager where MLXR is installed as a
// service (service_manager.h), else as a process detached from this terminal, its output appended to logs/mlxrunnerd.log. A daemon that is
// starting or stopping is waited for. Any number of callers at a time start one daemon, and all use it.
// Errors: kUnavailable (with what the daemon wrote, when it died; or a daemon is there and does not answer), kCancelled, those of
// find_daemon_program.
Answered<void> ensure_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(30),
                             const std::atomic<bool>& cancelled = interrupted());

// Waits until a daemon answers that another program starts. Errors: kUnavailable (the time is over), kCancelled.
Answered<void> await_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(30),
                            const std::atomic<bool>& cancelled = interrupted());

// Asks the daemon to stop and waits until a new one could start: it lets running answers finish first. False only when nothing listens on
// the socket and no process holds the data folder's lock: a daemon that is stopping already is waited for. Errors: kUnavailable (it does
// not answer, or is still there when the time is over), kCancelled, what the daemon answered.
Answered<bool> stop_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(60),
                           const std::atomic<bool>& cancelled = interrupted());

}  // namespace mlxr::cli
