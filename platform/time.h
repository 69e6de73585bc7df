// Points in time as text: RFC 3339 in UTC, "2026-01-31T12:00:00Z".
#pragma once

#include <chrono>
#include <ctime>
#include <string>

namespace mlxr::platform {

std::string to_rfc3339(std::time_t seconds);
std::string to_rfc3339(std::chrono::system_clock::time_point time);  // with microseconds: "2026-01-31T12:00:00.000001Z"
std::string now_rfc3339();

}  // namespace mlxr::platform
