// Web origins that may use the daemon over TCP: the setting `origins`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mlxr::daemon {

// An origin as browsers send it, for example "http://localhost:3000" or "app://obsidian.md". A '*' can stand for the port
// ("http://localhost:*"), and for the host of a scheme other than http and https ("vscode-webview://*").
bool is_origin_pattern(std::string_view pattern);

// Whether a request's Origin header is one of the patterns. Scheme and host are compared without regard to case.
bool is_listed_origin(std::string_view origin, const std::vector<std::string>& patterns);

}  // namespace mlxr::daemon
