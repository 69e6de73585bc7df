// What the two completion routes share: sampling fields, usage, and the stream's framing.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/routes/fields.h"
#include "daemon/routes/generation.h"

namespace mlxr::daemon::openai {

// The fields that mean the same to both routes, then the route's own.
std::vector<Field> with_common_fields(std::initializer_list<Field> own);

// `body` after check_fields: sampling, max_tokens, stop, stream options.
struct CommonOptions {
  mlxr::Request request;  // without the prompt
  bool stream = false;
  bool include_usage = false;
};
ApiResult<CommonOptions> read_common(const json& body);

ApiError model_error(const Error& error);  // 404 with OpenAI's code "model_not_found"
json usage_json(const Usage& usage);
std::int64_t unix_time(const std::string& rfc3339);  // 0 when it cannot be read
std::string new_id(std::string_view prefix);         // "chatcmpl-" and 24 random characters

// "data: {...}\n\n": an event of a server-sent stream. The text must hold no line break, which JSON does not.
std::string sse_event(std::string_view data);

// Submits, then answers whole or as a stream. `Shape` turns pieces into the route's JSON.
struct Shape {
  json envelope;              // id, object, created, model: in every object
  std::string stream_object;  // "chat.completion.chunk"
  bool role_first = false;    // the first chunk says who speaks
  // A choice for the stream. `text` may be empty.
  std::function<json(const std::string& text, const std::vector<TokenLogprob>& tokens, const std::optional<FinishReason>& finish)> chunk;
  // The choice for a whole answer.
  std::function<json(const Answer& answer)> whole;
};
void answer(ModelHost& host, const ModelHost::Lease& lease, CommonOptions options, const Shape& shape, Responder& out);

}  // namespace mlxr::daemon::openai
