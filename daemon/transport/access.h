// Who may use the daemon over TCP. The Unix socket needs none of this: its folder, its mode and the peer's uid decide there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/transport/http.h"

namespace mlxr::daemon {

// The parts of a request that decide, empty when absent.
struct Credentials {
  std::string_view host, origin, authorization;
  bool is_preflight = false;  // a browser asks what it may send; such a request cannot carry a token
};

struct Refusal {
  int status = 0;
  std::string message;
};

// Nothing when the request may go on. A foreign Host and an Origin that `origins` does not list are refused first (a page in a browser must
// not reach the models by rebinding its own name to 127.0.0.1), then a missing or wrong `Authorization: Bearer <token>`.
std::optional<Refusal> check_access(const Credentials& given, std::string_view token, const std::vector<std::string>& origins);

// The headers that let a page of `origin`, which check_access let pass, read the answer. None without an origin.
Headers cors_headers(std::string_view origin);

// The further headers of the answer to a preflight that asks for `headers` (Access-Control-Request-Headers).
Headers preflight_headers(std::string_view headers);

// Equality in a time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace mlxr::daemon
