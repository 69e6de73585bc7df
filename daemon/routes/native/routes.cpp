#include <unistd.h>

#include "daemon/routes/fields.h"
#include "daemon/routes/generation.h"
#include "daemon/routes/native/native.h"
#include "platform/version.h"

namespace mlxr::daemon::native {
namespace {

// The model that ?model= names, which is loaded if it is not, else the one that was used last. Null when there is none.
// A monitor that asks every minute does not keep a model in memory.
Result<std::unique_ptr<ModelHost::Lease>> model_to_probe(ModelHost& host, const Request& request, Responder& out) {
  const auto name = request.query.find("model");
  if (name == request.query.end() || name->second.empty()) return host.probe_loaded();
  return host.acquire(name->second, {.allow_paths = request.transport == Transport::kUnixSocket, .is_probe = true, .client = &out});
}

// One token from a model. The answer says what happened.
ApiResult<json> health(ModelHost& host, const Request& request, Responder& out) {
  const auto begin = std::chrono::steady_clock::now();
  const auto lease = model_to_probe(host, request, out);
  if (!lease) return std::unexpected(to_api_error(lease.error()));
  if (*lease == nullptr)
    return json{{"status", "ok"},
                {"model", nullptr},
                {"token_ms", nullptr},
                {"message", "No model is loaded. To load one and test it: /health?model=NAME"}};
  const auto& name = (*lease)->record().name;
  const auto& model = (*lease)->model();
  auto reply = host.engine().submit(
      model,
      {.prompt = model->tokenize("Hello", {.add_special = true}), .max_tokens = 1, .sampling = {.temperature = 0}, .ignore_end = true});
  if (!reply) return std::unexpected(to_api_error(reply.error()));
  const auto answer = collect(*reply, out);
  if (!answer) return std::unexpected(to_api_error(answer.error()));
  if (answer->usage.completion_tokens != 1)
    return std::unexpected(ApiError{.status = 500, .message = "The model " + name + " produced no token.", .code = "internal"});
  const auto elapsed = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin);
  return json{{"status", "ok"}, {"model", name}, {"token_ms", elapsed.count()}};
}

// Null for a model that is in use or stays for good.
json seconds_left(const LoadedModel& one) {
  if (one.expires_at == std::chrono::system_clock::time_point::max()) return nullptr;
  return std::chrono::duration<double>(one.expires_at - std::chrono::system_clock::now()).count();
}

json status(ModelHost& host, const DaemonInfo& info) {
  const auto engine = host.engine().status();
  json models = json::array();
  for (const auto& one : host.loaded())
    models.push_back({{"name", one.record.name},
                      {"context_length", one.model->info().context_length},
                      {"weights", one.model->info().weight_bytes},
                      {"active_weights", one.model->info().active_bytes},
                      {"paged", one.model->info().is_paged},
                      {"cache_limit", one.model->info().kv_bytes},
                      {"saved_by_windows", one.model->info().kv_bytes_saved},
                      {"in_use", one.in_use},
                      {"unloads_in_s", seconds_left(one)}});
  json settings = json::array();
  for (const auto& one : info.given)
    settings.push_back({{"name", one.name}, {"value", one.value}, {"origin", one.origin}, {"managed", one.managed}});
  const auto& kernels = engine.kernels;
  return {{"version", kVersion},
          {"pid", ::getpid()},
          {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - info.started).count()},
          {"socket", info.socket},
          {"port", info.port == 0 ? json(nullptr) : json(info.port)},
          {"settings", std::move(settings)},
          {"models", std::move(models)},
          {"engine",
           {{"running", engine.running},
            {"waiting", engine.waiting},
            {"tokens_generated", engine.tokens_generated},
            {"prompt_tokens", engine.prompt_tokens},
            {"cancelled", engine.cancelled}}},
          {"kernels",
           {{"requested", kernels.requested},
            {"variant", kernels.variant},
            {"pack_version", kernels.pack_version},
            {"warning", kernels.warning},
            {"fallbacks", kernels.fallbacks},
            {"threads", kernels.threads}}}};
}

}  // namespace

void add_routes(Router& router, ModelHost& host, DaemonInfo info) {
  router.add("GET", "/health", [&host](const Request& request, const std::string&, Responder& out) {
    const auto body = health(host, request, out);
    if (body) return out.respond({.body = dump(*body)});
    const json failed{{"status", "error"}, {"error", body.error().message}};
    out.respond({.status = body.error().status, .body = dump(failed)});
  });
  router.add_quick("GET", "/mlxr/status",
                   [&host, info](const Request&, const std::string&, Responder& out) { out.respond({.body = dump(status(host, info))}); });
  router.add_quick("POST", "/mlxr/open", [&host](const Request& request, const std::string&, Responder& out) { open(host, request, out); });
  router.add_quick("POST", "/mlxr/shutdown", [info](const Request&, const std::string&, Responder& out) {
    out.respond({.body = dump({{"status", "stopping"}})});
    info.stop();
  });
}

}  // namespace mlxr::daemon::native
