#include "core/decode/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace mlxr::decode {

std::string StopMatcher::feed(std::string_view text) {
  held_ += text;
  // The stop string that begins first ends the answer; of several that begin there, the first of the list.
  std::size_t first = std::string::npos;
  for (const auto& stop : stops_) {
    const auto at = held_.find(stop);
    if (at < first) {
      first = at;
      matched_ = stop;
    }
  }
  if (matched_) {
    std::string shown = held_.substr(0, first);
    held_.clear();
    return shown;
  }
  // Hold back the longest tail that begins a stop string.
  std::size_t keep = 0;
  for (const auto& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (std::string_view(held_).substr(held_.size() - n) == std::string_view(stop).substr(0, n)) keep = n;
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

}  // namespace mlxr::decode
