// HTTP and HTTPS downloads that go on where they stopped.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <mlxrunner/result.h>

#include "store/partial_file.h"

namespace mlxr::store {

struct DownloadOptions {
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes of this part; total is 0 when unknown
  std::function<Result<void>(std::uint64_t remaining)> check_space;       // once the server said how much is to come
  std::chrono::seconds stall_time{60};                                    // a connection that brings nothing for so long is broken
  const std::atomic<bool>* cancelled = nullptr;
};

// Appends what `url` holds to the part of `file` that is arriving. Goes on with Range and If-Range when the file has a validator; starts
// the part again when the server's file changed or the server ignores ranges. HTTPS is never redirected to HTTP. A broken or stalled
// connection is tried again up to five times without a new byte. SSL_CERT_FILE may name the certificates to trust, as for OpenSSL's
// programs. Errors: kNotFound, kPermission (401, 403), kNetwork, kCorrupt (more than the file may have), kNoSpace, kIo, kCancelled.
Result<void> download(const std::string& url, PartialFile& file, const DownloadOptions& options);

}  // namespace mlxr::store
