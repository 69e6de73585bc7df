#include "cli/failure.h"

namespace mlxr::cli {

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return ExitCode::kUsage;
    case ErrorCode::kNotFound: return ExitCode::kNotFound;
    case ErrorCode::kLicense: return ExitCode::kLicense;
    case ErrorCode::kNetwork: return ExitCode::kNetwork;
    case ErrorCode::kCorrupt: return ExitCode::kCorrupt;
    case ErrorCode::kNoSpace: return ExitCode::kNoSpace;
    case ErrorCode::kPermission: return ExitCode::kPermission;
    case ErrorCode::kContextExceeded: return ExitCode::kContextExceeded;
    case ErrorCode::kOverloaded: return ExitCode::kOverloaded;
    case ErrorCode::kVersion: return ExitCode::kVersion;
    case ErrorCode::kUnsupported: return ExitCode::kUnsupported;
    case ErrorCode::kCancelled: return ExitCode::kInterrupted;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kIo:
    case ErrorCode::kInternal: return ExitCode::kFailure;
  }
  return ExitCode::kFailure;
}

Failure::Failure(const ClientError& error)
    : exit_code(error.kind == ClientError::Kind::kOther ? exit_code_of(error.code) : ExitCode::kDaemonUnavailable),
      message(error.message) {}

}  // namespace mlxr::cli
