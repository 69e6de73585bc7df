#include "platform/time.h"

namespace mlxr::platform {

std::string to_rfc3339(std::time_t seconds) {
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

std::string to_rfc3339(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto fraction = std::chrono::floor<std::chrono::microseconds>(time) - seconds;
  std::string text = to_rfc3339(std::chrono::system_clock::to_time_t(seconds));
  const auto digits = std::to_string(1'000'000 + fraction.count()).substr(1);
  text.insert(text.size() - 1, "." + digits);
  return text;
}

std::string now_rfc3339() { return to_rfc3339(std::time(nullptr)); }

}  // namespace mlxr::platform
