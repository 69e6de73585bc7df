// The parts of a request's body that the routes of Ollama's API share.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/models/model_host.h"
#include "daemon/routes/ollama/options.h"
#include "daemon/transport/http.h"

namespace mlxr::daemon::ollama {

// The fields that /api/generate and /api/chat share, followed by the route's own.
std::vector<Field> with_common_fields(std::initializer_list<Field> own);

// A checked request for text.
struct Call {
  json body;
  std::string model;
  Options options;
  AcquireOptions acquire;
  bool stream = true;
  std::chrono::steady_clock::time_point began;
};
ApiResult<Call> read_call(const Request& request, std::span<const Field> fields);

// The body of a request about one model, and that model: `model`, or the older field `name`.
struct Named {
  json body;
  std::string model;
};
ApiResult<Named> read_named(const Request& request, std::span<const Field> fields);

}  // namespace mlxr::daemon::ollama
