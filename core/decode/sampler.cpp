#include "core/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace mlxr::decode {
namespace {

std::uint64_t seed_from_system() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// A uniform number in [0, 1) from the upper 53 bits: the same on every platform, unlike std::uniform_real_distribution.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

// No NaN and no plus infinity.
bool are_numbers(std::span<const float> logits) {
  bool good = true;
  for (const float l : logits) good &= l <= std::numeric_limits<float>::max();
  return good;
}

}  // namespace

Sampler::Sampler(const Sampling& options) : options_(options), random_(options.seed ? *options.seed : seed_from_system()) {}

std::optional<TokenId> Sampler::sample(std::span<const float> logits, std::span<const TokenId> history) {
  const bool penalised =
      options_.repeat_last_n != 0 && (options_.repeat_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0);
  if (penalised) {
    if (!are_numbers(logits)) return std::nullopt;
    count(history);
    penalise(logits);
    logits = penalised_;
  }
  const bool greedy = options_.temperature <= 0;
  if (!greedy && options_.top_k <= 0) return draw_from_all(logits);
  top_k(logits, greedy ? 1 : static_cast<std::size_t>(options_.top_k), candidates_);
  if (candidates_.empty()) return std::nullopt;
  if (candidates_.size() == 1) return candidates_[0].id;
  double mass = 0;
  for (const Candidate& c : candidates_) mass += weight(c.logit, candidates_[0].logit);
  return draw_from_candidates(mass);
}

void Sampler::count(std::span<const TokenId> history) {
  const std::size_t window = options_.repeat_last_n > 0 ? static_cast<std::size_t>(options_.repeat_last_n) : history.size();
  for (; counted_to_ < history.size(); ++counted_to_) ++counts_[history[counted_to_]];
  for (; counted_from_ + window < counted_to_; ++counted_from_) {
    const auto at = counts_.find(history[counted_from_]);
    if (--at->second == 0) counts_.erase(at);
  }
}

void Sampler::penalise(std::span<const float> logits) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  penalised_.assign(logits.begin(), logits.end());
  for (const auto& [id, count] : counts_) {
    if (id < 0 || id >= static_cast<TokenId>(logits.size())) continue;
    float logit = logits[id];
    if (logit < -kLargest) continue;  // an impossible token stays impossible
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
    penalised_[id] = std::clamp(logit, -kLargest, kLargest);
  }
}

double Sampler::weight(float logit, float most) const {
  return std::exp((static_cast<double>(logit) - most) / static_cast<double>(options_.temperature));
}

std::optional<TokenId> Sampler::draw_from_all(std::span<const float> logits) {
  top_k(logits, 1, candidates_);
  if (candidates_.empty()) return std::nullopt;
  const auto [best, most] = candidates_[0];
  weights_.clear();
  for (const float logit : logits) weights_.push_back(weight(logit, most));
  const auto sum = [](const std::vector<double>& w) { return std::accumulate(w.begin(), w.end(), 0.0); };
  if (options_.top_p < 1) {  // this needs a sorted list, which is nearly always short
    const double all = sum(weights_), wanted = options_.top_p * all;
    double reached = 0;
    for (std::size_t k = 64; reached < wanted; k *= 8) {
      top_k(logits, k, candidates_);
      reached = 0;
      for (const Candidate& c : candidates_) reached += weight(c.logit, most);
      if (k >= logits.size()) break;  // tokens of minus infinity are never candidates
    }
    return draw_from_candidates(all);
  }
  for (double& w : weights_) w = w < options_.min_p ? 0 : w;
  double left = uniform(random_) * sum(weights_);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return static_cast<TokenId>(i);
  }
  return best;  // reached only because of rounding
}

TokenId Sampler::draw_from_candidates(double mass_of_all) {
  weights_.clear();
  for (const Candidate& c : candidates_) weights_.push_back(weight(c.logit, candidates_[0].logit));
  std::size_t kept = weights_.size();
  if (options_.top_p < 1) {
    double reached = 0;
    for (kept = 0; kept < weights_.size() && reached < options_.top_p * mass_of_all; ++kept) reached += weights_[kept];
  }
  while (kept > 1 && weights_[kept - 1] < options_.min_p) --kept;
  kept = std::max<std::size_t>(kept, 1);

  const double mass = std::accumulate(weights_.begin(), weights_.begin() + static_cast<std::ptrdiff_t>(kept), 0.0);
  double left = uniform(random_) * mass;
  for (std::size_t i = 0; i < kept; ++i) {
    left -= weights_[i];
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
  std::vector<Candidate> best;
  top_k(logits, static_cast<std::size_t>(std::max(n_top, 0)), best);
  for (const Candidate& c : best) result.top.emplace_back(c.id, c.logit - norm);
  return result;
}

std::string problem_with(const Sampling& o) {
  const auto outside = [](float value, float low, float high) { return !(value >= low && value <= high); };
  if (outside(o.temperature, 0, 100)) return "temperature must be between 0 and 100";
  if (o.top_k < 0) return "top_k must be 0 (all) or more";
  if (outside(o.top_p, 0, 1)) return "top_p must be between 0 and 1";
  if (outside(o.min_p, 0, 1)) return "min_p must be between 0 and 1";
  if (outside(o.repeat_penalty, 0.01f, 100)) return "repeat_penalty must be between 0.01 and 100";
  if (o.repeat_last_n < -1) return "repeat_last_n must be -1 (the whole context), 0 (off) or more";
  if (outside(o.presence_penalty, -100, 100)) return "presence_penalty must be between -100 and 100";
  if (outside(o.frequency_penalty, -100, 100)) return "frequency_penalty must be between -100 and 100";
  return {};
}

}  // namespace mlxr::decode
