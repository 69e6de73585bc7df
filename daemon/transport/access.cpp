#include "daemon/transport/access.h"

#include <algorithm>
#include <cctype>

#include "daemon/origins.h"

namespace mlxr::daemon {
namespace {

// "localhost:8080", "[::1]:8080", "127.0.0.1" without the port.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.size(), host.find(']') + 1));
  return host.substr(0, host.find(':'));
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Host names are case-insensitive, and may end with the dot of the root domain.
bool is_loopback_name(std::string_view host) {
  auto name = in_lower_case(without_port(host));
  if (name.ends_with('.')) name.pop_back();
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

// The token of "Bearer TOKEN"; the scheme is case-insensitive (RFC 9110, 11.1).
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (in_lower_case(authorization.substr(0, kScheme.size())) != kScheme) return {};
  authorization.remove_prefix(kScheme.size());
  return authorization.substr(std::min(authorization.size(), authorization.find_first_not_of(' ')));
}

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

std::optional<Refusal> check_access(const Credentials& given, std::string_view token, const std::vector<std::string>& origins) {
  if (!is_loopback_name(given.host))
    return Refusal{403, "The Host header names another machine; MLXR answers to localhost, 127.0.0.1 and [::1] only."};
  if (!given.origin.empty() && !is_listed_origin(given.origin, origins))
    return Refusal{403, "Web pages of the origin " + std::string(given.origin) +
                            " may not use MLXR. To allow them, list it under `origins` in server.yaml."};
  if (given.is_preflight && !given.origin.empty()) return std::nullopt;
  const auto shown = bearer_token(given.authorization);
  if (shown.empty())
    return Refusal{401, "A token is needed over TCP: send `Authorization: Bearer TOKEN`, with the token that `mlx token show` prints."};
  if (token.empty() || !equal_in_constant_time(shown, token))
    return Refusal{401, "The token in the Authorization header is not this daemon's. `mlx token show` prints the right one."};
  return std::nullopt;
}

Headers cors_headers(std::string_view origin) {
  if (origin.empty()) return {};
  return {
      {"Access-Control-Allow-Origin", std::string(origin)}, {"Access-Control-Expose-Headers", "Warning, Retry-After"}, {"Vary", "Origin"}};
}

Headers preflight_headers(std::string_view headers) {
  Headers all = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE"}, {"Access-Control-Max-Age", "600"}};
  std::string names(headers);
  std::erase_if(names, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_' && c != ',' && c != ' '; });
  if (!names.empty()) all.emplace_back("Access-Control-Allow-Headers", names);
  return all;
}

}  // namespace mlxr::daemon
