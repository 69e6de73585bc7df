// HTTP and HTTPS downloads that continue where they stopped.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <mlxrunner/result.h>

#include "store/http.h"
#include "store/partial_file.h"

namespace mlxr::store {

struct DownloadOptions {
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes of this part
  std::function<Result<void>(std::uint64_t remaining)> check_space;       // once the server said how much is to come
  std::function<Result<void>()> inspect;                                  // after each piece that was appended
  std::chrono::seconds stall_time{60};                                    // a connection that brings next to nothing for so long is broken
  bool allow_plain_http = false;                                          // also from other machines
  bool retry_unreachable = true;                                          // false where another source can be tried instead
  std::string bearer;                                                     // as in HttpRequest
  std::string certificates;                                               // as in HttpRequest
  const std::atomic<bool>* cancelled = nullptr;
};

// Appends what `address` holds to the part of `file` that is arriving, with the rules of http.h. Continues with Range and If-Range when
// the file has a validator (a strong ETag, else Last-Modified); starts the part again when the server's file changed, or when the server
// ignores ranges or names no validator. Gives up after five attempts that brought no byte further than an earlier one. A server that does
// not say how many bytes it sends is refused unless the size is known from elsewhere.
// Errors: kNotFound, kPermission (401, 403), kNetwork, kCorrupt (more than the file may have), kNoSpace, kIo, kCancelled.
Result<void> download(const Address& address, PartialFile& file, const DownloadOptions& options);

}  // namespace mlxr::store
