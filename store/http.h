// One HTTP request: redirects, secrets and proxies in one place for every source of a model.
//
// HTTPS is never redirected to HTTP. Plain HTTP is refused unless the host is this machine or the caller allows it. User, password and
// bearer token are sent only to the origin that they belong to, and never appear in messages. SSL_CERT_FILE names the certificates to
// trust, as for OpenSSL's programs; http_proxy and similar variables are used.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "store/address.h"

namespace mlxr::store {

// Status and headers of a response.
struct HttpHead {
  long status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case

  std::string header(std::string_view name) const;  // empty when absent
  std::optional<std::uint64_t> content_length() const;
  std::optional<std::time_t> last_modified() const;
};

struct HttpRequest {
  Address address;
  bool head_only = false;            // HEAD instead of GET
  bool allow_plain_http = false;     // also from other machines
  std::vector<std::string> headers;  // "Name: value"; sent to every host of a chain of redirects
  std::string bearer;                // sent to the origin of `address` only
  std::string certificates;          // a file with the certificates to trust; empty: SSL_CERT_FILE, or the system's
  std::chrono::seconds connect_time{10};
  std::chrono::seconds stall_time{60};  // a connection that transfers almost nothing for this long counts as broken
  const std::atomic<bool>* cancelled = nullptr;
  std::function<Result<void>(const HttpHead&)> on_head;         // before the body of a response below 300
  std::function<Result<void>(std::string_view bytes)> on_body;  // of a response below 300
  std::function<void()> on_progress;                            // called regularly, even while no data arrives
};

struct HttpAnswer {
  HttpHead head;                    // of the last response
  std::vector<HttpHead> redirects;  // the responses before it
  // A header of the last response, or of the redirects that led there.
  std::string header_of_any(std::string_view name) const;
};

struct HttpFailure {
  enum class Kind {
    kUnreachable,  // no connection to the host (or to the proxy)
    kBroken,       // the connection ended early; another attempt may help
    kFinal,        // another attempt would fail in the same way
  };
  Kind kind;
  Error error;
};

// Returns an answer with any status, even 404. Errors in the failure: kNetwork, kInvalidArgument (plain HTTP), kCancelled, those of the
// callbacks.
std::expected<HttpAnswer, HttpFailure> http_request(const HttpRequest& request);

// A small answer as text. Errors: kNotFound (404, 410), kPermission (401, 403), kNetwork, kCorrupt (longer than `most`), kCancelled.
Result<std::string> http_text(HttpRequest request, std::size_t most);

// The error for an HTTP status; nothing for success.
Result<void> http_status_error(long status, const Address& address);

}  // namespace mlxr::store
