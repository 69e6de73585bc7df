// Finding, starting and stopping mlxrunnerd.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>

#include "cli/client_error.h"
#include "cli/interrupt.h"
#include "platform/paths.h"

namespace mlxr::cli {

// Where the daemon listens: what `uds` in its settings says, else paths.socket. With settings that it refuses no daemon starts, and one
// that runs is looked for in the usual place.
std::filesystem::path daemon_socket(const platform::Paths& paths);

// Paths::from_environment with that socket, for who talks to the daemon. Errors: those of from_environment.
Result<platform::Paths> client_paths();

// The mlxrunnerd beside this program's own file, else the first one on PATH. Errors: kNotFound (says where it was looked for).
Result<std::filesystem::path> find_daemon_program();

// Starts mlxrunnerd when none answers, detached from this terminal, its output appended to logs/mlxrunnerd.log, and waits until it
// answers. Two callers at a time are fine: one daemon wins, both use it.
// Errors: kUnavailable (with what the daemon wrote, when it died; or a daemon is there and does not answer), kCancelled, those of
// find_daemon_program.
Answered<void> ensure_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(30),
                             const std::atomic<bool>& cancelled = interrupted());

// Waits until a daemon answers that another program starts. Errors: kUnavailable (the time is over), kCancelled.
Answered<void> await_daemon(const platform::Paths& paths, std::chrono::seconds deadline = std::chrono::seconds(30),
                            const std::atomic<bool>& cancelled = interrupted());

// Asks the daemon to stop and waits until a new one could start: it lets running answers finish first. False only when nothing listens on
// the socket. Errors: kUnavailable (it does not answer, or is still there when the time is over), kCancelled, what the daemon answered.
Answered<bool> stop_daemon(const std::filesystem::path& socket, std::chrono::seconds deadline = std::chrono::seconds(60),
                           const std::atomic<bool>& cancelled = interrupted());

}  // namespace mlxr::cli
