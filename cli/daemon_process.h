// Finding, starting and stopping mlxrunnerd.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>

#include "cli/client_error.h"
#include "cli/interrupt.h"
#include "platform/paths.h"

namespace mlxr::cli {

// Where the daemon listens. A running daemon of this data folder has recorded it in its lock file, which takes precedence over the
// environment and the settings; otherwise it is `uds` in the settings, or paths.socket.
std::filesystem::path daemon_socket(const platform::Paths& paths);

// Paths::from_environment with that socket. Errors: those of from_environment, and kInvalidArgument (the socket's path is too long).
Result<platform::Paths> client_paths();

// The mlxrunnerd beside this program's own file, otherwise the first one on PATH. Errors: kNotFound (the message lists both places).
Result<std::filesystem::path> find_daemon_program();

// Starts mlxrunnerd if none answers, and waits until it answers. Uses the system's service manager if MLXR is installed as a service
// (service_manager.h), otherwise a process detached from this terminal, whose output is appended to logs/mlxrunnerd.log. Waits for a
// daemon that is starting or stopping. Any number of concurrent callers start only one daemon, which all of them use.
// Errors: kUnavailable (the daemon exited, with its output; or it is running but does not answer), kCancelled, those of
// find_daemon_program.
Answered<void> ensure_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(30),
                             const std::atomic<bool>& cancelled = interrupted());

// Waits until a daemon that another program starts answers. Errors: kUnavailable (the deadline has passed), kCancelled.
Answered<void> await_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(30),
                            const std::atomic<bool>& cancelled = interrupted());

// Asks the daemon to stop, which lets running answers finish, and waits until a new one could start. Also waits for a daemon that is
// already stopping. Returns false only if nothing listens on the socket and no process holds the data folder's lock. Errors: kUnavailable
// (it does not answer, or is still running at the deadline), kCancelled, the daemon's own error.
Answered<bool> stop_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(60),
                           const std::atomic<bool>& cancelled = interrupted());

}  // namespace mlxr::cli
