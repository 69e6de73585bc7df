#include "daemon/routes/messages.h"
#include "daemon/routes/ollama/ollama.h"
#include "daemon/routes/ollama/stream.h"

namespace mlxr::daemon::ollama {
namespace {

const std::vector<Field>& fields() {
  static const auto all = with_common_fields({
      {.name = "prompt", .type = FieldType::kString},
      {.name = "system", .type = FieldType::kString},
      {.name = "context", .type = FieldType::kArray},
      {.name = "raw", .type = FieldType::kBoolean},
      unsupported("suffix"),
      unsupported("template"),  // the model's own is used; raw sends a prompt as it is
      unsupported("images"),
  });
  return all;
}

// `context` has the tokens of an earlier answer, which are placed before the new prompt.
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
  auto rendered = render_messages(model, messages);
  if (!rendered) return std::unexpected(to_api_error(rendered.error()));
  return add(*rendered);
}

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  auto call = read_call(request, fields());
  if (!call) return std::unexpected(call.error());
  const auto& body = call->body;
  const bool raw = get<bool>(body, "raw").value_or(false);
  if (raw && !(is_empty_value(body.value("system", json())) && is_empty_value(body.value("context", json()))))
    return std::unexpected(ApiError{.message = "\"raw\" sends the prompt as it is: \"system\" and \"context\" cannot be used with it.",
                                    .field = "raw",
                                    .code = "invalid_value"});
  Piece piece{.put_text = [](json& object, const std::string& text) { object["response"] = text; }};
  if (get<std::string>(body, "prompt").value_or("").empty()) return load_or_unload(host, *call, piece, out);
  call->acquire.client = &out;
  const auto lease = host.acquire(call->model, call->acquire);
  if (!lease) return std::unexpected(to_api_error(lease.error()));
  auto prompt = read_prompt(body, *(*lease)->model());
  if (!prompt) return std::unexpected(prompt.error());
  if (!raw)
    piece.put_last = [prompt = *prompt](json& last, const std::vector<TokenLogprob>& tokens) {
      last["context"] = prompt;
      for (const auto& token : tokens) last["context"].push_back(token.id);
    };
  call->options.request.prompt = std::move(*prompt);
  answer(host, **lease, std::move(*call), piece, out);
  return {};
}

}  // namespace

void generate(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(ollama_error(done.error()));
}

}  // namespace mlxr::daemon::ollama
