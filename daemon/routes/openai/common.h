// The parts that both completion routes share: sampling fields, usage, and the format of streams.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/routes/fields.h"
#include "daemon/routes/generation.h"

namespace mlxr::daemon::openai {

// The fields that both routes share, followed by the route's own.
std::vector<Field> with_common_fields(std::initializer_list<Field> own);

// A checked request for text.
struct Call {
  json body;
  std::string model;
  AcquireOptions acquire;
  mlxr::Request request;      // sampling, max_tokens and stop; without the prompt
  SamplingValues asked = {};  // the values of the request itself, which the model's advice does not change
  bool stream = false;
  bool include_usage = false;
  std::vector<std::string> warnings = {};  // for the client, in Warning headers
};
// `default_max_tokens` applies if the request has no limit; -1: until the model ends or the context is full.
ApiResult<Call> read_call(const Request& request, std::span<const Field> fields, int default_max_tokens = -1);

ApiError model_error(const Error& error);  // 404 with OpenAI's code "model_not_found"
json usage_json(const Usage& usage);
std::int64_t unix_time(const std::string& rfc3339);  // 0 when it cannot be read
// The common fields of all objects of an answer: an id (`id_prefix` and 24 random characters), the time, the model.
json envelope(std::string_view id_prefix, std::string_view object, const std::string& model);

// "data: {...}\n\n": an event of a server-sent stream. The text must hold no line break, which JSON does not.
std::string sse_event(std::string_view data);

// Submits the request and answers it, as a whole or as a stream. `Shape` converts the answer to the route's JSON.
struct Shape {
  json envelope;
  std::string stream_object;  // "chat.completion.chunk"
  bool role_first = false;    // the first chunk says who speaks
  // A choice for the stream. `text` may be empty.
  std::function<json(const std::string& text, const std::vector<TokenLogprob>& tokens, const std::optional<FinishReason>& finish)> chunk;
  // The choice for a whole answer.
  std::function<json(const Answer& answer)> whole;
};
void answer(ModelHost& host, const ModelHost::Lease& lease, Call call, const Shape& shape, Responder& out);

}  // namespace mlxr::daemon::openai
