// The OpenAI API: /v1/models, /v1/chat/completions, /v1/completions.
#pragma once

#include "daemon/models/model_host.h"
#include "daemon/routes/router.h"

namespace mlxr::daemon::openai {

// `host` outlives the router.
void add_routes(Router& router, ModelHost& host);

// The routes, one file each.
void list_models(ModelHost& host, Responder& out);
void show_model(ModelHost& host, const std::string& id, Responder& out);
void chat_completions(ModelHost& host, const Request& request, Responder& out);
void completions(ModelHost& host, const Request& request, Responder& out);

}  // namespace mlxr::daemon::openai
