#include "daemon/routes/messages.h"
#include "daemon/routes/ollama/ollama.h"
#include "daemon/routes/ollama/stream.h"

namespace mlxr::daemon::ollama {
namespace {

constexpr Field kFields[] = {
    {.name = "model", .type = FieldType::kString, .required = true},
    {.name = "messages", .type = FieldType::kArray},
    {.name = "stream", .type = FieldType::kBoolean},
    {.name = "keep_alive"},
    {.name = "options", .type = FieldType::kObject},
    {.name = "logprobs", .type = FieldType::kBoolean},
    {.name = "top_logprobs", .type = FieldType::kInteger, .low = 0, .high = 20},
    unsupported("format", "\"\""),
    unsupported("tools", "[]"),
    unsupported("think", "false"),
    unsupported("truncate", "false"),  // prompts are never cut
    unsupported("shift", "false"),
    unsupported("_debug_render_only", "false"),
};

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  const auto began = std::chrono::steady_clock::now();
  const auto body = parse_object(request.body);
  if (!body) return std::unexpected(body.error());
  if (auto checked = check_fields(*body, kFields); !checked) return checked;
  auto options = read_options(get<json>(*body, "options").value_or(json::object()));
  if (!options) return std::unexpected(options.error());
  const auto keep_alive = read_keep_alive(*body);
  if (!keep_alive) return std::unexpected(keep_alive.error());
  const auto top_logprobs = read_logprobs(*body);
  if (!top_logprobs) return std::unexpected(top_logprobs.error());
  options->request.top_logprobs = *top_logprobs;

  const auto name = (*body)["model"].get<std::string>();
  const Piece piece{
      .model = name,
      .put_text = [](json& object, const std::string& text) { object["message"] = {{"role", "assistant"}, {"content", text}}; },
      .with_logprobs = *top_logprobs >= 0};
  const auto messages_given = get<json>(*body, "messages").value_or(json::array());
  if (messages_given.empty() && *keep_alive == Duration(0)) {
    if (!host.unload(name))
      if (const auto known = host.store().find(name); !known) return std::unexpected(to_api_error(known.error()));
    answer_without_text(piece, "unload", out);
    return {};
  }
  const AcquireOptions acquire{
      .keep_alive = *keep_alive, .context = options->context, .allow_paths = request.transport == Transport::kUnixSocket};
  if (messages_given.empty()) {
    const auto loaded = host.acquire(name, acquire);
    if (!loaded) return std::unexpected(to_api_error(loaded.error()));
    answer_without_text(piece, "load", out);
    return {};
  }
  const auto messages = read_messages(messages_given);
  if (!messages) return std::unexpected(messages.error());
  const auto lease = host.acquire(name, acquire);
  if (!lease) return std::unexpected(to_api_error(lease.error()));
  auto prompt = (*lease)->model()->render_chat(dump({{"messages", *messages}, {"add_generation_prompt", true}}));
  if (!prompt) return std::unexpected(to_api_error(prompt.error()));
  options->request.prompt = std::move(*prompt);
  answer(host, **lease, std::move(*options), get<bool>(*body, "stream").value_or(true), piece, began, out);
  return {};
}

}  // namespace

void chat(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(ollama_error(done.error()));
}

}  // namespace mlxr::daemon::ollama
