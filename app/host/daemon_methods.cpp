#include "app/host/daemon_methods.h"

#include <algorithm>
#include <array>
#include <optional>

#include "cli/client.h"
#include "cli/daemon_process.h"
#include "platform/version.h"

namespace mlxr::app {
namespace {

using nlohmann::json;
using platform::Paths;
using Answer = std::expected<json, BridgeError>;

#ifdef __APPLE__
constexpr char kPlatform[] = "macos";
#else
constexpr char kPlatform[] = "linux";
#endif

constexpr auto kTimeout = std::chrono::seconds(10);

// The read-only routes that daemon.request forwards. Paths must match exactly, so a path with a query is not forwarded. GET
// /health is not among them: it makes the model work.
struct Route {
  std::string_view method, path;
};
constexpr std::array kRoutes{Route{"GET", "/api/ps"},      Route{"GET", "/api/tags"},  Route{"GET", "/api/version"},
                             Route{"GET", "/mlxr/status"}, Route{"GET", "/v1/models"}, Route{"POST", "/api/show"}};

std::string_view code_of(const cli::ClientError& error) {
  if (error.kind == cli::ClientError::Kind::kNotRunning) return "daemon_unavailable";
  if (error.kind == cli::ClientError::Kind::kUnavailable) return "no_answer";
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kNoSpace:
    case ErrorCode::kPermission:
    case ErrorCode::kOverloaded:
    case ErrorCode::kCancelled: return error_code_name(error.code);
    default: return "failure";
  }
}

std::unexpected<BridgeError> refuse(const cli::ClientError& error) { return app::refuse(std::string(code_of(error)), error.message); }

Answer status(const Paths& paths, const std::atomic<bool>& cancelled) {
  auto answer = cli::Client(paths.socket, cancelled).get("/mlxr/status", kTimeout);
  if (!answer && answer.error().kind != cli::ClientError::Kind::kNotRunning) return refuse(answer.error());
  return json{{"running", answer.has_value()},
              {"socket", paths.socket.string()},
              {"log", (paths.logs / "mlxrunnerd.log").string()},
              {"daemon", answer ? std::move(*answer) : json()}};
}

Answer start(const Paths& paths, const StartDaemon& start_daemon, const std::atomic<bool>& cancelled) {
  if (auto done = start_daemon(paths, cancelled); !done) return refuse(done.error());
  return status(paths, cancelled);
}

Answer stop(const Paths& paths, const std::atomic<bool>& cancelled) {
  if (auto done = cli::stop_daemon(paths, std::chrono::seconds(60), cancelled); !done) return refuse(done.error());
  return status(paths, cancelled);
}

// On its socket the daemon also accepts a path as a model. The page has no access to files, so it may only name installed models.
std::optional<BridgeError> check_model_names(const json& body) {
  if (!body.is_object()) return std::nullopt;
  for (const char* field : {"model", "name"}) {
    const json value = body.value(field, json());
    if (!value.is_string()) continue;
    const auto& name = value.get_ref<const std::string&>();
    if (name.contains('/') || name.ends_with(".gguf"))
      return BridgeError{"permission", "The page may name installed models only, not '" + name + "'."};
  }
  return std::nullopt;
}

Answer request(const Paths& paths, const json& params, const std::atomic<bool>& cancelled) {
  if (auto known = check_names(params, {"method", "path", "body"}); !known) return std::unexpected(known.error());
  for (const char* name : {"method", "path"}) {
    if (!params.contains(name) || !params[name].is_string())
      return app::refuse("invalid_params", "daemon.request needs '" + std::string(name) + "', a string.");
  }
  const auto& method = params["method"].get_ref<const std::string&>();
  const auto& path = params["path"].get_ref<const std::string&>();
  if (std::ranges::none_of(kRoutes, [&](const Route& route) { return route.method == method && route.path == path; }))
    return app::refuse("permission", "The page may not ask mlxrunnerd for " + method + " " + path + ".");
  const bool has_body = params.contains("body");
  if (has_body != (method == "POST")) return app::refuse("invalid_params", method + (has_body ? " takes no 'body'." : " needs a 'body'."));

  if (auto wrong = check_model_names(params.value("body", json()))) return std::unexpected(std::move(*wrong));
  const std::string body = has_body ? params["body"].dump(-1, ' ', false, json::error_handler_t::replace) : "";
  auto answer = cli::Client(paths.socket, cancelled).send(path, has_body ? &body : nullptr, kTimeout);
  if (!answer) return refuse(answer.error());
  json parsed = json::parse(answer->body, nullptr, false);
  return json{{"status", answer->status}, {"body", parsed.is_discarded() ? json(answer->body) : std::move(parsed)}};
}

// A method without parameters.
template <typename Function>
Method without_params(Function function) {
  return [function](const json& params, const std::atomic<bool>& cancelled) -> Answer {
    if (auto known = check_names(params, {}); !known) return std::unexpected(known.error());
    return function(cancelled);
  };
}

}  // namespace

cli::Answered<void> start_detached(const Paths& paths, const std::atomic<bool>& cancelled) {
  return cli::ensure_daemon(paths, std::chrono::seconds(30), cancelled);
}

Methods daemon_methods(const Paths& paths, StartDaemon start_daemon) {
  return {
      {"app.info", without_params([](const auto&) { return Answer(json{{"version", kVersion}, {"platform", kPlatform}}); })},
      {"daemon.request", [paths](const json& params, const auto& cancelled) { return request(paths, params, cancelled); }},
      {"daemon.start", without_params([=](const auto& cancelled) { return start(paths, start_daemon, cancelled); })},
      {"daemon.status", without_params([paths](const auto& cancelled) { return status(paths, cancelled); })},
      {"daemon.stop", without_params([paths](const auto& cancelled) { return stop(paths, cancelled); })},
  };
}

}  // namespace mlxr::app
