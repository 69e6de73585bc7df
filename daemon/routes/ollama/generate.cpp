#include "daemon/routes/ollama/ollama.h"
#include "daemon/routes/ollama/stream.h"

namespace mlxr::daemon::ollama {
namespace {

constexpr Field kFields[] = {
    {.name = "model", .type = FieldType::kString, .required = true},
    {.name = "prompt", .type = FieldType::kString},
    {.name = "system", .type = FieldType::kString},
    {.name = "context", .type = FieldType::kArray},
    {.name = "stream", .type = FieldType::kBoolean},
    {.name = "raw", .type = FieldType::kBoolean},
    {.name = "keep_alive"},
    {.name = "options", .type = FieldType::kObject},
    {.name = "logprobs", .type = FieldType::kBoolean},
    {.name = "top_logprobs", .type = FieldType::kInteger, .low = 0, .high = 20},
    unsupported("suffix", "\"\""),
    unsupported("template", "\"\""),  // the model's own is used; raw sends a prompt as it is
    unsupported("format", "\"\""),
    unsupported("images", "[]"),
    unsupported("think", "false"),
    unsupported("truncate", "false"),  // prompts are never cut
    unsupported("shift", "false"),
    unsupported("_debug_render_only", "false"),
};

// `context` is the tokens of an earlier answer: they go before the new prompt.
ApiResult<std::vector<TokenId>> read_context(const json& body, const Model& model) {
  std::vector<TokenId> tokens;
  const auto context = get<json>(body, "context");
  if (!context) return tokens;
  for (const auto& id : *context) {
    if (!id.is_number_integer() || id < 0 || id >= model.info().vocabulary)
      return std::unexpected(ApiError{.message = "\"context\" must hold token ids of this model, as an earlier answer gave them.",
                                      .field = "context",
                                      .code = "invalid_value"});
    tokens.push_back(id.get<TokenId>());
  }
  return tokens;
}

ApiResult<std::vector<TokenId>> read_prompt(const json& body, const Model& model) {
  auto tokens = read_context(body, model);
  if (!tokens) return tokens;
  const auto prompt = get<std::string>(body, "prompt").value_or("");
  const auto add = [&](const std::vector<TokenId>& more) {
    tokens->insert(tokens->end(), more.begin(), more.end());
    return std::move(tokens);
  };
  if (get<bool>(body, "raw").value_or(false)) return add(model.tokenize(prompt, {.add_special = tokens->empty(), .parse_special = true}));
  json messages = json::array();
  if (const auto system = get<std::string>(body, "system"); system && !system->empty())
    messages.push_back({{"role", "system"}, {"content", *system}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  auto rendered = model.render_chat(dump({{"messages", messages}, {"add_generation_prompt", true}}));
  if (!rendered) return std::unexpected(to_api_error(rendered.error()));
  return add(*rendered);
}

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
  const bool raw = get<bool>(*body, "raw").value_or(false);
  if (raw && (body->contains("system") || body->contains("context")))
    return std::unexpected(ApiError{.message = "\"raw\" sends the prompt as it is: \"system\" and \"context\" cannot be used with it.",
                                    .field = "raw",
                                    .code = "invalid_value"});
  Piece piece{.model = name,
              .put_text = [](json& object, const std::string& text) { object["response"] = text; },
              .with_logprobs = *top_logprobs >= 0};

  const bool without_text = get<std::string>(*body, "prompt").value_or("").empty();
  if (without_text && *keep_alive == Duration(0)) {
    if (!host.unload(name))  // not loaded is as good, but a name that nobody knows is a mistake
      if (const auto known = host.store().find(name); !known) return std::unexpected(to_api_error(known.error()));
    answer_without_text(piece, "unload", out);
    return {};
  }
  const auto lease = host.acquire(
      name, {.keep_alive = *keep_alive, .context = options->context, .allow_paths = request.transport == Transport::kUnixSocket});
  if (!lease) return std::unexpected(to_api_error(lease.error()));
  if (without_text) {
    answer_without_text(piece, "load", out);
    return {};
  }
  auto prompt = read_prompt(*body, *(*lease)->model());
  if (!prompt) return std::unexpected(prompt.error());
  if (!raw)
    piece.put_last = [prompt = *prompt](json& last, const std::vector<TokenLogprob>& tokens) {
      last["context"] = prompt;
      for (const auto& token : tokens) last["context"].push_back(token.id);
    };
  options->request.prompt = std::move(*prompt);
  answer(host, **lease, std::move(*options), get<bool>(*body, "stream").value_or(true), piece, began, out);
  return {};
}

}  // namespace

void generate(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(ollama_error(done.error()));
}

}  // namespace mlxr::daemon::ollama
