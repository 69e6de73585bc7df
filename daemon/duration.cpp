#include "daemon/duration.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

namespace mlxr::daemon {
namespace {

// Removes the unit at the front of `text` and returns its milliseconds; 0 if the unit is unknown.
double take_unit(std::string_view& text) {
  static constexpr struct {
    std::string_view name;
    double milliseconds;
  } kUnits[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
  for (const auto& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return unit.milliseconds;
  }
  return 0;
}

}  // namespace

Duration duration_of_seconds(double seconds) {
  constexpr double kLongest = 1e12;  // more than 30 000 years, and far from overflow
  if (seconds < 0 || seconds > kLongest) return kForever;
  return Duration(static_cast<std::int64_t>(std::llround(seconds * 1e3)));
}

std::optional<Duration> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const auto length = std::min(text.find_first_not_of("0123456789."), text.size());
    if (length == 0) return std::nullopt;
    const std::string digits(text.substr(0, length));
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (*end != '\0') return std::nullopt;
    text.remove_prefix(length);
    if (text.empty() && total == 0) {
      total = value * 1e3;
      break;
    }
    const double unit = take_unit(text);
    if (unit == 0) return std::nullopt;
    total += value * unit;
  }
  return duration_of_seconds(negative ? -1 : total / 1e3);
}

}  // namespace mlxr::daemon
