#include "daemon/routes/messages.h"
#include "daemon/routes/openai/common.h"
#include "daemon/routes/openai/openai.h"

namespace mlxr::daemon::openai {
namespace {

const std::vector<Field>& fields() {
  static const auto all = with_common_fields({
      {.name = "messages", .type = FieldType::kArray, .required = true},
      {.name = "logprobs", .type = FieldType::kBoolean},
      {.name = "top_logprobs", .type = FieldType::kInteger, .low = 0, .high = 20},
      {.name = "tools"},
      unsupported("response_format", R"([{"type": "text"}])"),
      unsupported("tool_choice", R"(["none", "auto"])"),
      unsupported("functions"),
      unsupported("function_call", R"(["none", "auto"])"),
      unsupported("modalities", R"([["text"]])"),
      unsupported("store"),
      unsupported("audio"),
      unsupported("reasoning_effort", R"(["none"])"),
      unsupported("web_search_options"),
      advisory("metadata"),
      advisory("parallel_tool_calls"),
      advisory("prediction"),
      advisory("prompt_cache_key"),
      advisory("prompt_cache_retention"),
      advisory("safety_identifier"),
      advisory("service_tier"),
      advisory("verbosity"),
  });
  return all;
}

Shape shape_of(const std::string& model, bool with_logprobs) {
  const auto logprobs = [with_logprobs](const std::vector<TokenLogprob>& tokens) {
    return with_logprobs && !tokens.empty() ? json{{"content", logprobs_json(tokens)}, {"refusal", nullptr}} : json(nullptr);
  };
  return {
      .envelope = envelope("chatcmpl-", "chat.completion", model),
      .stream_object = "chat.completion.chunk",
      .role_first = true,
      .chunk =
          [logprobs](const std::string& text, const std::vector<TokenLogprob>& tokens, const std::optional<FinishReason>& finish) {
            return json{{"index", 0},
                        {"delta", finish ? json::object() : json{{"content", text}}},
                        {"logprobs", logprobs(tokens)},
                        {"finish_reason", finish ? json(finish_name(*finish)) : json(nullptr)}};
          },
      .whole =
          [logprobs](const Answer& answer) {
            return json{{"index", 0},
                        {"message", {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}}},
                        {"logprobs", logprobs(answer.tokens)},
                        {"finish_reason", finish_name(answer.finish)}};
          },
  };
}

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  auto call = read_call(request, fields());
  if (!call) return std::unexpected(call.error());
  if (auto tools = read_tools(call->body, call->warnings); !tools) return std::unexpected(tools.error());
  const auto top_logprobs = read_logprobs(call->body);
  if (!top_logprobs) return std::unexpected(top_logprobs.error());
  call->request.top_logprobs = *top_logprobs;
  const auto messages = read_messages(call->body["messages"]);
  if (!messages) return std::unexpected(messages.error());

  call->acquire.client = &out;
  const auto lease = host.acquire(call->model, call->acquire);
  if (!lease) return std::unexpected(model_error(lease.error()));
  auto prompt = render_messages(*(*lease)->model(), *messages);
  if (!prompt) return std::unexpected(to_api_error(prompt.error()));
  call->request.prompt = std::move(*prompt);
  const auto shape = shape_of(call->model, *top_logprobs >= 0);
  answer(host, **lease, std::move(*call), shape, out);
  return {};
}

}  // namespace

void chat_completions(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(openai_error(done.error()));
}

}  // namespace mlxr::daemon::openai
