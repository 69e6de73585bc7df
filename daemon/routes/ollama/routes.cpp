#include "daemon/routes/fields.h"
#include "daemon/routes/ollama/ollama.h"
#include "platform/version.h"

namespace mlxr::daemon::ollama {
namespace {

// The Ollama release whose API these routes serve. Clients compare it with the minimum that they need.
constexpr char kOllamaVersion[] = "0.22.0";

}  // namespace

void add_routes(Router& router, ModelHost& host) {
  // Clients look for this text to recognize the server.
  router.add_quick("GET", "/", [](const Request&, const std::string&, Responder& out) {
    out.respond({.content_type = "text/plain; charset=utf-8", .body = "Ollama is running"});
  });
  router.add_quick("GET", "/api/version", [](const Request&, const std::string&, Responder& out) {
    out.respond({.body = dump({{"version", kOllamaVersion}, {"mlxr_version", kVersion}})});
  });
  router.add("POST", "/api/generate",
             [&host](const Request& request, const std::string&, Responder& out) { generate(host, request, out); });
  router.add("POST", "/api/chat", [&host](const Request& request, const std::string&, Responder& out) { chat(host, request, out); });
  router.add("POST", "/api/pull", [&host](const Request& request, const std::string&, Responder& out) { pull(host, request, out); });
  add_model_routes(router, host);
}

}  // namespace mlxr::daemon::ollama
