// Ollama's API, so that its clients work unchanged: /api/... and the greeting at /.
#pragma once

#include "daemon/models/model_host.h"
#include "daemon/routes/router.h"

namespace mlxr::daemon::ollama {

// `host` outlives the router.
void add_routes(Router& router, ModelHost& host);

// The routes, by file.
void generate(ModelHost& host, const Request& request, Responder& out);
void chat(ModelHost& host, const Request& request, Responder& out);
void pull(ModelHost& host, const Request& request, Responder& out);
void add_model_routes(Router& router, ModelHost& host);  // tags, show, ps, delete

}  // namespace mlxr::daemon::ollama
