#include "platform/time.h"

namespace mlxr::platform {

std::string to_rfc3339(std::time_t seconds) {
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

std::string now_rfc3339() { return to_rfc3339(std::time(nullptr)); }

}  // namespace mlxr::platform
