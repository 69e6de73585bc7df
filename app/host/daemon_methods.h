// What the page may ask about and of mlxrunnerd:
//
//   app.info                             {version, platform}
//   daemon.status                        {running, socket, log, daemon: what GET /mlxr/status says, null when it does not run}
//   daemon.start, daemon.stop            wait until it has started or stopped, then the same
//   daemon.request {method, path, body}  {status, body}: one request of HTTP over its socket, of the few that only read
#pragma once

#include <atomic>
#include <functional>

#include "app/host/bridge.h"
#include "cli/client_error.h"
#include "platform/paths.h"

namespace mlxr::app {

// Starts the daemon and waits until it answers; else says why not, in a sentence for the page.
using StartDaemon = std::function<cli::Answered<void>(const platform::Paths&, const std::atomic<bool>& cancelled)>;

// As `mlx` starts it: the mlxrunnerd beside the program, which outlives the window.
cli::Answered<void> start_detached(const platform::Paths& paths, const std::atomic<bool>& cancelled);

Methods daemon_methods(const platform::Paths& paths, StartDaemon start = start_detached);

}  // namespace mlxr::app
