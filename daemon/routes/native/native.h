// MLXR's own routes: /health, /mlxr/status, /mlxr/shutdown, /mlxr/open.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "daemon/config.h"
#include "daemon/models/model_host.h"
#include "daemon/routes/router.h"

namespace mlxr::daemon::native {

struct DaemonInfo {
  std::string socket;
  int port = 0;                           // 0: no TCP
  std::vector<Config::Given> given = {};  // the settings that are not defaults
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::function<void()> stop;
};

// `host` outlives the router.
void add_routes(Router& router, ModelHost& host, DaemonInfo info);

// POST /mlxr/open: keeps the files whose descriptors came with the request, and answers with a reference that `model` accepts.
void open(ModelHost& host, const Request& request, Responder& out);

}  // namespace mlxr::daemon::native
