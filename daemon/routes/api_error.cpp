#include "daemon/routes/api_error.h"

#include <nlohmann/json.hpp>

#include "daemon/routes/fields.h"

namespace mlxr::daemon {
namespace {

using nlohmann::json;

Response with_retry(Response response) {
  if (response.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

ApiError to_api_error(const Error& error) {
  const auto status = [&] {
    switch (error.code) {
      case ErrorCode::kInvalidArgument:
      case ErrorCode::kUnsupported:
      case ErrorCode::kContextExceeded: return 400;
      case ErrorCode::kNotFound: return 404;
      case ErrorCode::kAlreadyExists: return 409;
      case ErrorCode::kPermission:
      case ErrorCode::kLicense: return 403;
      case ErrorCode::kNoSpace: return 507;
      case ErrorCode::kNetwork: return 502;
      case ErrorCode::kOverloaded: return 503;
      case ErrorCode::kCancelled: return 499;
      case ErrorCode::kCorrupt:
      case ErrorCode::kIo:
      case ErrorCode::kVersion:
      case ErrorCode::kInternal: return 500;
    }
    return 500;
  };
  return {.status = status(), .message = error.message, .code = std::string(error_code_name(error.code))};
}

Response openai_error(const ApiError& error) {
  const char* type = error.status == 401   ? "authentication_error"
                     : error.status == 403 ? "permission_error"
                     : error.status == 404 ? "not_found_error"
                     : error.status < 500  ? "invalid_request_error"
                     : error.status == 503 ? "overloaded_error"
                                           : "server_error";
  const auto or_null = [](const std::string& text) { return text.empty() ? json(nullptr) : json(text); };
  // OpenAI's own name, which clients look for.
  const auto code = error.code == error_code_name(ErrorCode::kContextExceeded) ? "context_length_exceeded" : error.code;
  const json body{{"error", {{"message", error.message}, {"type", type}, {"param", or_null(error.field)}, {"code", or_null(code)}}}};
  return with_retry({.status = error.status, .body = dump(body)});
}

std::string ollama_error_body(const ApiError& error) {
  json body{{"error", error.message}};
  if (!error.code.empty()) body["code"] = error.code;
  return dump(body);
}

Response ollama_error(const ApiError& error) { return with_retry({.status = error.status, .body = ollama_error_body(error)}); }

Response error_at(std::string_view path, const ApiError& error) {
  return path.starts_with("/v1/") ? openai_error(error) : ollama_error(error);
}

}  // namespace mlxr::daemon
