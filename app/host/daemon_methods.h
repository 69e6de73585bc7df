// What the page may ask about and of mlxrunnerd:
//
//   app.info                             {version, platform}
//   daemon.status                        {running, socket, log, daemon: what GET /mlxr/status says, null when it does not run}
//   daemon.start, daemon.stop            wait until it has started or stopped, then the same
//   daemon.request {method, path, body}  {status, body}: one request of HTTP over its socket, of the few that only read
#pragma once

#include "app/host/bridge.h"
#include "platform/paths.h"

namespace mlxr::app {

Methods daemon_methods(const platform::Paths& paths);

}  // namespace mlxr::app
