#include <ctime>

#include "daemon/routes/fields.h"
#include "daemon/routes/openai/common.h"
#include "daemon/routes/openai/openai.h"

namespace mlxr::daemon::openai {
namespace {

json model_json(const store::ModelRecord& record) {
  return {{"id", record.name}, {"object", "model"}, {"created", unix_time(record.modified_at)}, {"owned_by", "library"}};
}

}  // namespace

void list_models(ModelHost& host, Responder& out) {
  const auto records = host.store().list();
  if (!records) return out.respond(openai_error(to_api_error(records.error())));
  json data = json::array();
  for (const auto& record : *records) data.push_back(model_json(record));
  out.respond({.body = dump({{"object", "list"}, {"data", std::move(data)}})});
}

void show_model(ModelHost& host, const std::string& id, Responder& out) {
  const auto record = host.store().find(id);
  if (!record) return out.respond(openai_error(model_error(record.error())));
  out.respond({.body = dump(model_json(*record))});
}

void add_routes(Router& router, ModelHost& host) {
  router.add("GET", "/v1/models", [&host](const Request&, const std::string&, Responder& out) { list_models(host, out); });
  router.add("GET", "/v1/models/{}", [&host](const Request&, const std::string& id, Responder& out) { show_model(host, id, out); });
  router.add("POST", "/v1/chat/completions",
             [&host](const Request& request, const std::string&, Responder& out) { chat_completions(host, request, out); });
  router.add("POST", "/v1/completions",
             [&host](const Request& request, const std::string&, Responder& out) { completions(host, request, out); });
}

}  // namespace mlxr::daemon::openai
