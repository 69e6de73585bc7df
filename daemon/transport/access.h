// Who may ask over TCP. The Unix socket needs none of this: its folder, its mode and the peer's uid decide there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mlxr::daemon {

// The headers that decide, empty when absent.
struct Credentials {
  std::string_view host, origin, authorization;
};

struct Refusal {
  int status = 0;
  std::string message;
};

// Nothing when the request may go on. A foreign Host or Origin is refused first (a page that a browser shows must not reach the
// models by rebinding its own name to 127.0.0.1), then a missing or wrong `Authorization: Bearer <token>`.
std::optional<Refusal> check_access(const Credentials& given, std::string_view token);

// Equality in a time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace mlxr::daemon
