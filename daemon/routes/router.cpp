#include "daemon/routes/router.h"

#include <algorithm>
#include <optional>

#include "daemon/routes/api_error.h"

namespace mlxr::daemon {
namespace {

std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("{}")) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  pattern.remove_suffix(2);
  if (!path.starts_with(pattern) || path.size() == pattern.size()) return std::nullopt;
  return std::string(path.substr(pattern.size()));
}

void refuse(const Request& request, Responder& out, ApiError error, const std::string& allowed) {
  auto response = error_at(request.path, error);
  if (!allowed.empty()) response.headers.emplace_back("Allow", allowed);
  out.respond(std::move(response));
}

}  // namespace

void Router::add(std::string_view method, std::string_view path, Route route) {
  entries_.push_back({std::string(method), std::string(path), std::move(route)});
}

void Router::add_quick(std::string_view method, std::string_view path, Route route) {
  entries_.push_back({std::string(method), std::string(path), std::move(route), true});
}

bool Router::is_quick(const Request& request) const {
  return std::ranges::all_of(entries_, [&](const Entry& entry) { return entry.is_quick || !match(entry.path, request.path); });
}

void Router::handle(const Request& request, Responder& out) const {
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const auto& entry : entries_) {
    const auto argument = match(entry.path, request.path);
    if (!argument) continue;
    if (entry.method == method) return entry.route(request, *argument, out);
    allowed += (allowed.empty() ? "" : ", ") + entry.method;
  }
  if (!allowed.empty())
    return refuse(request, out, {.status = 405, .message = request.path + " supports " + allowed + ", not " + request.method + "."},
                  allowed);
  refuse(request, out, {.status = 404, .message = "There is no route " + request.path + "."}, "");
}

}  // namespace mlxr::daemon
