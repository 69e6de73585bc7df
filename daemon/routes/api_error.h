// An error of a route, independent of the API family that reports it.
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
  std::string code = {};   // for programs: "missing_required_parameter", or the name of an ErrorCode
};

template <typename T>
using ApiResult = std::expected<T, ApiError>;

// The engine's and the store's errors as statuses.
ApiError to_api_error(const Error& error);

// {"error": {"message", "type", "param", "code"}}
Response openai_error(const ApiError& error);
// {"error": "...", "code": "..."}: Ollama's format, with the code added, which tells programs more than the status.
Response ollama_error(const ApiError& error);
std::string ollama_error_body(const ApiError& error);  // also a line of a stream
// openai_error below /v1, ollama_error elsewhere: for errors before a route is found.
Response error_at(std::string_view path, const ApiError& error);

}  // namespace mlxr::daemon
