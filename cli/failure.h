// How a command fails: a sentence for people on stderr and an exit code for programs. docs/man/mlx.1 lists the codes.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include <mlxrunner/result.h>

#include "cli/client_error.h"

namespace mlxr::cli {

// Never renumber: scripts depend on these.
enum class ExitCode {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kNotFound = 3,
  kLicense = 4,
  kNetwork = 5,
  kDaemonUnavailable = 6,
  kCorrupt = 7,
  kNoSpace = 8,
  kPermission = 9,
  kContextExceeded = 10,
  kOverloaded = 11,
  kVersion = 12,
  kUnsupported = 13,
  kInterrupted = 130,
};

// The exit code of an error from the libraries below.
ExitCode exit_code_of(ErrorCode code);

struct Failure {
  ExitCode exit_code = ExitCode::kFailure;
  std::string message;  // may be empty when everything has been said already

  Failure(ExitCode exit, std::string text) : exit_code(exit), message(std::move(text)) {}
  Failure(const Error& error) : exit_code(exit_code_of(error.code)), message(error.message) {}  // NOLINT: wanted as a conversion
  Failure(const ClientError& error);                                                            // NOLINT: wanted as a conversion
};

template <typename T>
using Outcome = std::expected<T, Failure>;
using Status = Outcome<void>;

inline std::unexpected<Failure> give_up(ExitCode code, std::string message) { return std::unexpected(Failure(code, std::move(message))); }
inline std::unexpected<Failure> give_up(Failure failure) { return std::unexpected(std::move(failure)); }
inline std::unexpected<Failure> give_up(const Error& error) { return std::unexpected(Failure(error)); }
inline std::unexpected<Failure> give_up(const ClientError& error) { return std::unexpected(Failure(error)); }

}  // namespace mlxr::cli
