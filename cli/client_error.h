// Errors of requests to mlxrunnerd. Programs that use this library decide on exit codes and messages themselves.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include <mlxrunner/result.h>

namespace mlxr::cli {

struct ClientError {
  enum class Kind : std::uint8_t {
    kNotRunning,   // nothing listens on the socket, so no daemon is running there
    kUnavailable,  // a daemon is running or was started, but does not answer
    kOther,        // see `code`: the daemon's own error, kCancelled after Ctrl-C, kPermission if this user may not connect
  };

  Kind kind = Kind::kOther;
  ErrorCode code = ErrorCode::kInternal;  // of kOther
  std::string message;                    // a whole sentence for people; may be empty after Ctrl-C

  ClientError(Kind kind_of_it, std::string text) : kind(kind_of_it), message(std::move(text)) {}
  ClientError(const Error& error) : code(error.code), message(error.message) {}  // NOLINT: wanted as a conversion

  bool was_cancelled() const { return kind == Kind::kOther && code == ErrorCode::kCancelled; }
};

template <typename T>
using Answered = std::expected<T, ClientError>;

inline std::unexpected<ClientError> not_running(std::string message) {
  return std::unexpected(ClientError(ClientError::Kind::kNotRunning, std::move(message)));
}
inline std::unexpected<ClientError> unavailable(std::string message) {
  return std::unexpected(ClientError(ClientError::Kind::kUnavailable, std::move(message)));
}
inline std::unexpected<ClientError> refused(ErrorCode code, std::string message) {
  return std::unexpected(ClientError(Error{code, std::move(message)}));
}

}  // namespace mlxr::cli
