// The methods that the page may call about mlxrunnerd:
//
//   app.info                             {version, platform}
//   daemon.status                        {running, socket, log, daemon: the answer of GET /mlxr/status, or null}
//   daemon.start, daemon.stop            wait until it has started or stopped, then answer like daemon.status
//   daemon.request {method, path, body}  {status, body}: one HTTP request over its socket, for read-only routes
#pragma once

#include <atomic>
#include <functional>

#include "app/host/bridge.h"
#include "cli/client_error.h"
#include "platform/paths.h"

namespace mlxr::app {

// Starts the daemon and waits until it answers; otherwise returns the reason, as a sentence for the page.
using StartDaemon = std::function<cli::Answered<void>(const platform::Paths&, const std::atomic<bool>& cancelled)>;

// Starts it in the same way as `mlx`: the mlxrunnerd beside the program, which outlives the window.
cli::Answered<void> start_detached(const platform::Paths& paths, const std::atomic<bool>& cancelled);

Methods daemon_methods(const platform::Paths& paths, StartDaemon start = start_detached);

}  // namespace mlxr::app
