#include "daemon/origins.h"

#include <algorithm>
#include <cctype>

namespace mlxr::daemon {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, [](unsigned char c) { return std::tolower(c); }, [](unsigned char c) { return std::tolower(c); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool is_scheme(std::string_view text) {
  return !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.'; });
}

// A valid pattern has a '*' only as its last character, in place of a port or a host.
bool matches(std::string_view origin, std::string_view pattern) {
  if (!pattern.ends_with('*')) return equal_ignoring_case(origin, pattern);
  pattern.remove_suffix(1);
  return starts_with_ignoring_case(origin, pattern) && origin.size() > pattern.size();
}

}  // namespace

bool is_origin_pattern(std::string_view pattern) {
  const auto colon = pattern.find("://");
  if (colon == std::string_view::npos || !is_scheme(pattern.substr(0, colon))) return false;
  const auto scheme = pattern.substr(0, colon);
  const auto host = pattern.substr(colon + 3);
  const bool is_web = equal_ignoring_case(scheme, "http") || equal_ignoring_case(scheme, "https");
  if (host == "*") return !is_web;
  const auto fixed = host.ends_with(":*") ? host.substr(0, host.size() - 2) : host;
  return !fixed.empty() && fixed.find_first_of("/*?# \t\r\n\",") == std::string_view::npos;
}

bool is_listed_origin(std::string_view origin, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(origin, pattern); });
}

}  // namespace mlxr::daemon
