#include "daemon/transport/access.h"

#include <algorithm>

namespace mlxr::daemon {
namespace {

// "localhost:8080", "[::1]:8080", "127.0.0.1" without the port.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.size(), host.find(']') + 1));
  return host.substr(0, host.find(':'));
}

bool is_loopback_name(std::string_view host) {
  const auto name = without_port(host);
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

bool is_loopback_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return is_loopback_name(origin.substr(scheme.size()));
  return false;
}

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

std::optional<Refusal> check_access(const Credentials& given, std::string_view token) {
  if (!is_loopback_name(given.host))
    return Refusal{403, "The Host header names another machine; MLXR answers to localhost, 127.0.0.1 and [::1] only."};
  if (!given.origin.empty() && !is_loopback_origin(given.origin)) return Refusal{403, "Web pages of other origins may not use MLXR."};
  constexpr std::string_view kScheme = "Bearer ";
  const auto shown = given.authorization.starts_with(kScheme) ? given.authorization.substr(kScheme.size()) : std::string_view();
  if (shown.empty())
    return Refusal{401, "A token is needed over TCP: send `Authorization: Bearer TOKEN`, with the token that `mlx token show` prints."};
  if (token.empty() || !equal_in_constant_time(shown, token))
    return Refusal{401, "The token in the Authorization header is not this daemon's. `mlx token show` prints the right one."};
  return std::nullopt;
}

}  // namespace mlxr::daemon
