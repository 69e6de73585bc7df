// Runs an engine request for a client: passes on the events, and stops within one step when the client disconnects.
#pragma once

#include <functional>
#include <string>

#include <mlxrunner/engine.h>

#include "daemon/models/model_host.h"
#include "daemon/routes/fields.h"
#include "daemon/transport/http.h"

namespace mlxr::daemon {

// A whole answer.
struct Answer {
  std::string text;
  std::vector<TokenLogprob> tokens;
  FinishReason finish = FinishReason::kStop;
  Usage usage;
};

// Calls `on_event` for each event until the last; if it returns false, the request is cancelled. Errors: those of the generation itself;
// kCancelled when the client is gone or the daemon stops.
Result<Usage> drain(Reply& reply, Responder& out, const std::function<bool(const Event&)>& on_event);
Result<Answer> collect(Reply& reply, Responder& out);

// The engine's limit of stop strings.
inline constexpr std::size_t kMaxStops = 256;

// "stop" as a string or an array of strings. Empty strings are ignored.
ApiResult<std::vector<std::string>> read_stop(const json& value, std::string_view name);

// "seed"; absent or -1: random.
std::optional<std::uint64_t> read_seed(const json& body);

// "logprobs" and "top_logprobs" of a body as Request::top_logprobs.
ApiResult<int> read_logprobs(const json& body);

// "tools" of a body. Tools that run at the provider (web_search, image_generation, ...) are left out with a warning; a function that
// the model should call is refused, because MLXR does not support that.
ApiResult<void> read_tools(const json& body, std::vector<std::string>& warnings);

// Gives `sampling` the values that the model's authors recommend, except those that the request asked for.
void take_advice(const SamplingValues& advice, const SamplingValues& asked, Sampling& sampling);

// Limits max_tokens to the context that is left after the prompt, with a warning. Engine::submit refuses a prompt that does not fit.
void limit_max_tokens(mlxr::Request& request, const Model& model, std::vector<std::string>& warnings);

// A `Warning` header for each sentence, without the characters that would end it.
Headers warning_headers(const std::vector<std::string>& warnings);

// "stop", "length"
std::string_view finish_name(FinishReason reason);

// {token, logprob, bytes, top_logprobs: [...]}: the shape that OpenAI's chat and Ollama share.
json logprob_json(const TokenLogprob& token);
json logprobs_json(const std::vector<TokenLogprob>& tokens);

}  // namespace mlxr::daemon
