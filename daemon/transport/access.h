// Access control for TCP. The Unix socket does not need it: there, the folder, the mode and the peer's uid decide.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/transport/http.h"

namespace mlxr::daemon {

// The parts of a request that decide about access; empty when absent.
struct Credentials {
  std::string_view host, origin, authorization;
  bool is_preflight = false;  // a browser asks what it may send; such a request cannot carry a token
};

struct Refusal {
  int status = 0;
  std::string message;
};

// Returns nothing if the request is allowed. First refuses a foreign Host and an Origin that `origins` does not list (a web page must not
// reach the models by DNS rebinding), then a missing or wrong `Authorization: Bearer <token>`.
std::optional<Refusal> check_access(const Credentials& given, std::string_view token, const std::vector<std::string>& origins);

// The headers that allow a page of `origin`, which check_access has allowed, to read the answer. None without an origin.
Headers cors_headers(std::string_view origin);

// Additional headers of the answer to a preflight request for `headers` (Access-Control-Request-Headers).
Headers preflight_headers(std::string_view headers);

// Compares in a time that depends only on the lengths.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace mlxr::daemon
