// Errors are values. A function that can fail returns Result<T>; the Error says what went wrong in a sentence for people.
//
//   Result<Config> read_config(const Path& file) {
//     auto text = read_file(file);
//     if (!text) return fail(text.error());                                   // pass it on
//     if (text->empty()) return fail(ErrorCode::kInvalidArgument, file.string() + " is empty");
//     ...
//   }
//
// Exceptions stay inside the file that calls the library which throws them.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Marks what the shared library libmlxrunner_core exports.
#define MLXR_API __attribute__((visibility("default")))

namespace mlxr {

// The kind of failure, which determines exit codes and HTTP statuses. Never renumber; add at the end.
enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong
  kNotFound,         // the thing that was named does not exist
  kAlreadyExists,    // the thing exists, or another process holds it
  kUnsupported,      // understood, but this build cannot do it
  kCorrupt,          // data does not match its checksum or breaks its format's rules
  kIo,               // the operating system refused to read or write
  kNoSpace,          // the disk is full, or has too little free space
  kPermission,       // not allowed
  kNetwork,          // a download or connection failed
  kLicense,          // the model's license has not been accepted
  kContextExceeded,  // prompt plus requested tokens is longer than the model's context
  kOverloaded,       // the queue or the memory is full; try again later
  kCancelled,        // the caller cancelled it
  kVersion,          // written by or for another version of MLXR
  kInternal,         // a bug in MLXR
};

// The code's name for logs and JSON, for example "not_found".
MLXR_API std::string_view error_code_name(ErrorCode code);
// The code with this name, if there is one.
MLXR_API std::optional<ErrorCode> error_code_from_name(std::string_view name);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // a whole sentence (or several) for people, without a trailing newline
};

template <typename T>
using Result = std::expected<T, Error>;

// return fail(code, "a sentence");
inline std::unexpected<Error> fail(ErrorCode code, std::string message) { return std::unexpected(Error{code, std::move(message)}); }
// return fail(other.error());
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

}  // namespace mlxr
