#include "daemon/routes/messages.h"
#include "daemon/routes/ollama/ollama.h"
#include "daemon/routes/ollama/stream.h"

namespace mlxr::daemon::ollama {
namespace {

const std::vector<Field>& fields() {
  static const auto all = with_common_fields({
      {.name = "messages", .type = FieldType::kArray},
      {.name = "tools"},
  });
  return all;
}

const Piece kPiece{
    .put_text = [](json& object, const std::string& text) { object["message"] = {{"role", "assistant"}, {"content", text}}; }};

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  auto call = read_call(request, fields());
  if (!call) return std::unexpected(call.error());
  const auto given = get<json>(call->body, "messages").value_or(json::array());
  if (given.empty()) return load_or_unload(host, *call, kPiece, out);
  const auto messages = read_messages(given);
  if (!messages) return std::unexpected(messages.error());
  call->acquire.client = &out;
  const auto lease = host.acquire(call->model, call->acquire);
  if (!lease) return std::unexpected(to_api_error(lease.error()));
  auto prompt = render_messages(*(*lease)->model(), *messages);
  if (!prompt) return std::unexpected(to_api_error(prompt.error()));
  call->options.request.prompt = std::move(*prompt);
  answer(host, **lease, std::move(*call), kPiece, out);
  return {};
}

}  // namespace

void chat(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(ollama_error(done.error()));
}

}  // namespace mlxr::daemon::ollama
