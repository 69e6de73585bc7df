#include "core/decode/penalties.h"

#include <algorithm>
#include <limits>

namespace mlxr::decode {

std::span<const Place> Penalties::changes(std::span<const float> logits, std::span<const TokenId> history) {
  changes_.clear();
  const auto& o = options_;
  if (o.repeat_last_n == 0 || (o.repeat_penalty == 1 && o.presence_penalty == 0 && o.frequency_penalty == 0)) return changes_;
  count(history);
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const auto& [id, count] : counts_) {
    if (id < 0 || id >= static_cast<TokenId>(logits.size())) continue;
    float logit = logits[static_cast<std::size_t>(id)];
    if (logit < -kLargest) continue;  // an impossible token stays impossible
    logit = logit > 0 ? logit / o.repeat_penalty : logit * o.repeat_penalty;
    logit -= o.presence_penalty + o.frequency_penalty * static_cast<float>(count);
    changes_.push_back({std::clamp(logit, -kLargest, kLargest), id});
  }
  return changes_;
}

void Penalties::count(std::span<const TokenId> history) {
  const std::size_t window = options_.repeat_last_n > 0 ? static_cast<std::size_t>(options_.repeat_last_n) : history.size();
  for (; counted_to_ < history.size(); ++counted_to_) ++counts_[history[counted_to_]];
  for (; counted_from_ + window < counted_to_; ++counted_from_) {
    const auto at = counts_.find(history[counted_from_]);
    if (--at->second == 0) counts_.erase(at);
  }
}

}  // namespace mlxr::decode
