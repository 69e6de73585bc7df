// How fast a model reads prompts, measured from its past steps, for the latency target.
#pragma once

#include <algorithm>
#include <chrono>

namespace mlxr::engine {

class PromptPace {
 public:
  // A step of fewer tokens takes about as long as one of this many: parts are not made smaller, and the time of such a step says nothing.
  static constexpr int kSmallestPart = 16;

  // A step has computed `tokens`, those of answers among them, in `time`.
  void measured(int tokens, std::chrono::duration<double, std::milli> time) {
    if (tokens >= kSmallestPart) tokens_per_ms_ = tokens / std::max(time.count(), 1e-3);
  }

  // The most tokens, at most `limit`, that the next step should read to end within `target`.
  int part_within(std::chrono::milliseconds target, int limit) const {
    if (tokens_per_ms_ == 0) return limit;
    const double part = tokens_per_ms_ * static_cast<double>(target.count());
    return part >= limit ? limit : std::min(limit, std::max(static_cast<int>(part), kSmallestPart));
  }

 private:
  double tokens_per_ms_ = 0;
};

}  // namespace mlxr::engine
