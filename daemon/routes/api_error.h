// What goes wrong in a route, before it takes the shape of an API family.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

#include "daemon/transport/http.h"

namespace mlxr::daemon {

struct ApiError {
  int status = 400;
  std::string message;
  std::string field = {};  // the request's field that is wrong; may be empty
  std::string code = {};   // for programs: "model_not_found", "context_length_exceeded"
};

template <typename T>
using ApiResult = std::expected<T, ApiError>;

// The engine's and the store's errors as statuses.
ApiError to_api_error(const Error& error);

// {"error": {"message", "type", "param", "code"}} and {"error": "..."}
Response openai_error(const ApiError& error);
Response ollama_error(const ApiError& error);
// The first below /v1, the second elsewhere: for what goes wrong before a route is found.
Response error_at(std::string_view path, const ApiError& error);

}  // namespace mlxr::daemon
