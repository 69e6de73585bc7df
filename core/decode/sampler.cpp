#include "core/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

namespace mlxr::decode {
namespace {

std::uint64_t seed_from_system() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// A uniform number in [0, 1) from the upper 53 bits: the same on every platform, unlike std::uniform_real_distribution.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

}  // namespace

Sampler::Sampler(const Sampling& options) : options_(options), random_(options.seed ? *options.seed : seed_from_system()) {}

std::optional<TokenId> Sampler::sample(std::span<const float> logits, std::span<const TokenId> history) {
  const bool penalised =
      options_.repeat_last_n != 0 && (options_.repeat_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0);
  if (penalised) {
    penalised_.assign(logits.begin(), logits.end());
    penalise(penalised_, history);
    logits = penalised_;
  }
  const bool greedy = options_.temperature <= 0;
  top_k(logits, greedy ? 1 : options_.top_k > 0 ? static_cast<std::size_t>(options_.top_k) : logits.size(), candidates_);
  if (candidates_.empty()) return std::nullopt;
  if (candidates_.size() == 1) return candidates_[0].id;
  for (auto& candidate : candidates_) candidate.logit /= options_.temperature;
  return draw();
}

void Sampler::penalise(std::vector<float>& logits, std::span<const TokenId> history) const {
  if (options_.repeat_last_n > 0 && history.size() > static_cast<std::size_t>(options_.repeat_last_n)) {
    history = history.last(options_.repeat_last_n);
  }
  std::unordered_map<TokenId, int> counts;
  for (TokenId id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    if (id < 0 || id >= static_cast<TokenId>(logits.size())) continue;
    float& logit = logits[id];
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
  }
}

TokenId Sampler::draw() {
  // Probabilities of the candidates, relative to the most likely one.
  std::vector<double> p(candidates_.size());
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(static_cast<double>(candidates_[i].logit) - candidates_[0].logit);
  std::size_t kept = p.size();
  if (options_.top_p < 1) {
    double reached = 0;
    for (kept = 0; kept < p.size() && reached < options_.top_p * sum; ++kept) reached += p[kept];
  }
  while (kept > 1 && p[kept - 1] < options_.min_p) --kept;
  kept = std::max<std::size_t>(kept, 1);

  const double mass = std::accumulate(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(kept), 0.0);
  double left = uniform(random_) * mass;
  for (std::size_t i = 0; i < kept; ++i) {
    left -= p[i];
    if (left < 0) return candidates_[i].id;
  }
  return candidates_[kept - 1].id;
}

Logprobs logprobs(std::span<const float> logits, TokenId chosen, int n_top) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float l : logits) sum += std::exp(static_cast<double>(l) - most);
  const float norm = most + static_cast<float>(std::log(sum));

  Logprobs result{logits[chosen] - norm, {}};
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto n = std::min<std::size_t>(std::max(n_top, 0), ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n), ids.end(),
                    [&](TokenId a, TokenId b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); });
  for (std::size_t i = 0; i < n; ++i) result.top.emplace_back(ids[i], logits[ids[i]] - norm);
  return result;
}

std::string problem_with(const Sampling& o) {
  const auto outside = [](float value, float low, float high) { return !(value >= low && value <= high); };
  if (outside(o.temperature, 0, 100)) return "temperature must be between 0 and 100";
  if (o.top_k < 0) return "top_k must be 0 (all) or more";
  if (outside(o.top_p, 0, 1)) return "top_p must be between 0 and 1";
  if (outside(o.min_p, 0, 1)) return "min_p must be between 0 and 1";
  if (!(o.repeat_penalty > 0) || o.repeat_penalty > 100) return "repeat_penalty must be above 0 and at most 100";
  if (o.repeat_last_n < -1) return "repeat_last_n must be -1 (the whole context), 0 (off) or more";
  if (outside(o.presence_penalty, -100, 100)) return "presence_penalty must be between -100 and 100";
  if (outside(o.frequency_penalty, -100, 100)) return "frequency_penalty must be between -100 and 100";
  return {};
}

}  // namespace mlxr::decode
