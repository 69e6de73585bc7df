// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mlxr::cli {

std::string format_bytes(std::uint64_t bytes);         // "0 B", "98.4 MB", "1.5 GB": powers of 1000, as disks and downloads are sold
std::string format_count(std::uint64_t count);         // "999", "135M", "1.7B": parameters of a model
std::string format_duration(double seconds);           // "0.4s", "12s", "3m 05s", "2h 07m"; "--" when not finite or negative
std::string format_fixed(double value, int decimals);  // "3.14", whatever the locale
std::string format_day(std::string_view rfc3339);      // "2026-08-01 12:30" of "2026-08-01T12:30:00Z"

}  // namespace mlxr::cli
