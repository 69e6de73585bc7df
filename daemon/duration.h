// "5m", "1h30m", "90s", "250ms", "-1": how long, as people and Ollama's clients write it.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace mlxr::daemon {

using Duration = std::chrono::milliseconds;
inline constexpr Duration kForever = Duration::max();

// A number without a unit is seconds. Negative: kForever. Nothing when it cannot be read.
std::optional<Duration> parse_duration(std::string_view text);
Duration duration_of_seconds(double seconds);

}  // namespace mlxr::daemon
