// Runs a request of the engine for a client: hands out the events, and stops within one step when the client goes away.
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

// Calls `on_event` for each event until the last; false from it cancels. Errors: those of the generation itself; kCancelled when the
// client is gone or the daemon stops.
Result<Usage> drain(Reply& reply, Responder& out, const std::function<bool(const Event&)>& on_event);
Result<Answer> collect(Reply& reply, Responder& out);

// "stop" as a string or an array of at most `most` strings.
ApiResult<std::vector<std::string>> read_stop(const json& value, std::string_view name, std::size_t most);

// "stop", "length"
std::string_view finish_name(FinishReason reason);

// {token, logprob, bytes, top_logprobs: [...]}: the shape that OpenAI's chat and Ollama share.
json logprob_json(const TokenLogprob& token);
json logprobs_json(const std::vector<TokenLogprob>& tokens);

}  // namespace mlxr::daemon
