// Resumable HTTP and HTTPS downloads.
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
  std::function<Result<void>(std::uint64_t remaining)> check_space;       // called once the server has announced the size
  std::function<Result<void>()> inspect;                                  // called after each appended piece
  std::chrono::seconds stall_time{60};  // a connection that transfers almost nothing for this long counts as broken
  bool allow_plain_http = false;        // also from other machines
  bool retry_unreachable = true;        // false where another source can be tried instead
  std::string bearer;                   // as in HttpRequest
  std::string certificates;             // as in HttpRequest
  const std::atomic<bool>* cancelled = nullptr;
};

// Downloads `address` to the current part of `file`, with the rules of http.h. Continues with Range and If-Range if the file has a
// validator (a strong ETag, otherwise Last-Modified); restarts the part if the server's file has changed, or if the server ignores ranges
// or sends no validator. Gives up after five attempts without progress. A response without a size is refused unless the size is already
// known.
// Errors: kNotFound, kPermission (401, 403), kNetwork, kCorrupt (more than the file may have), kNoSpace, kIo, kCancelled.
Result<void> download(const Address& address, PartialFile& file, const DownloadOptions& options);

}  // namespace mlxr::store
