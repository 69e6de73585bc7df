#include "cli/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace mlxr::cli {
namespace {

std::string two_digits(long value) { return (value < 10 ? "0" : "") + std::to_string(value); }

// Scales by 1000 until it fits; one decimal below 100 except for the first unit and where it would be ".0".
std::string scaled(std::uint64_t value, const std::array<const char*, 5>& units) {
  double number = static_cast<double>(value);
  std::size_t unit = 0;
  while (number >= 999.5 && unit + 1 < units.size()) {
    number /= 1000;
    ++unit;
  }
  std::string text = format_fixed(number, unit == 0 || number >= 99.95 ? 0 : 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text + units[unit];
}

}  // namespace

std::string format_fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
#if defined(__cpp_lib_to_chars)
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals);
  return end.ec == std::errc() ? std::string(buffer.data(), end.ptr) : std::string("?");
#else
  return std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value) > 0 ? std::string(buffer.data()) : std::string("?");
#endif
}

std::string format_bytes(std::uint64_t bytes) { return scaled(bytes, {" B", " kB", " MB", " GB", " TB"}); }

std::string format_count(std::uint64_t count) { return scaled(count, {"", "K", "M", "B", "T"}); }

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e8) return "--";
  if (seconds < 9.95) return format_fixed(seconds, 1) + "s";
  const long whole = std::lround(seconds);
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) return std::to_string(whole / 60) + "m " + two_digits(whole % 60) + "s";
  return std::to_string(whole / 3600) + "h " + two_digits(whole % 3600 / 60) + "m";
}

std::string format_day(std::string_view rfc3339) {
  std::string text(rfc3339.substr(0, 16));
  if (text.size() > 10 && text[10] == 'T') text[10] = ' ';
  return text;
}

}  // namespace mlxr::cli
