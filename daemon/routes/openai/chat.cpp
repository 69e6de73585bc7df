#include "daemon/routes/messages.h"
#include "daemon/routes/openai/common.h"
#include "daemon/routes/openai/openai.h"

namespace mlxr::daemon::openai {
namespace {

const std::vector<Field>& fields() {
  static const auto all = with_common_fields({
      {.name = "messages", .type = FieldType::kArray, .required = true},
      {.name = "max_completion_tokens", .type = FieldType::kInteger, .low = 1, .high = 1e9},
      {.name = "logprobs", .type = FieldType::kBoolean},
      {.name = "top_logprobs", .type = FieldType::kInteger, .low = 0, .high = 20},
      unsupported("response_format", R"({"type":"text"})"),
      unsupported("tools", "[]"),
      unsupported("tool_choice", "\"none\""),
      unsupported("parallel_tool_calls"),
      unsupported("functions", "[]"),
      unsupported("function_call", "\"none\""),
      unsupported("modalities", R"(["text"])"),
      unsupported("store", "false"),
      unsupported("service_tier", "\"auto\""),
      unsupported("audio"),
      unsupported("metadata", "{}"),
      unsupported("prediction"),
      unsupported("prompt_cache_key"),
      unsupported("prompt_cache_retention"),
      unsupported("reasoning_effort", "\"none\""),
      unsupported("safety_identifier"),
      unsupported("verbosity"),
      unsupported("web_search_options"),
  });
  return all;
}

ApiResult<int> read_logprobs(const json& body) {
  const bool wanted = get<bool>(body, "logprobs").value_or(false);
  const auto top = get<int>(body, "top_logprobs");
  if (top && !wanted)
    return std::unexpected(
        ApiError{.message = "\"top_logprobs\" needs \"logprobs\": true.", .field = "top_logprobs", .code = "invalid_value"});
  return wanted ? top.value_or(0) : -1;
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
  const auto top_logprobs = read_logprobs(call->body);
  if (!top_logprobs) return std::unexpected(top_logprobs.error());
  call->request.top_logprobs = *top_logprobs;
  const auto messages = read_messages(call->body["messages"]);
  if (!messages) return std::unexpected(messages.error());

  const auto lease = host.acquire(call->model, call->acquire);
  if (!lease) return std::unexpected(model_error(lease.error()));
  auto prompt = (*lease)->model()->render_chat(dump({{"messages", *messages}, {"add_generation_prompt", true}}));
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
