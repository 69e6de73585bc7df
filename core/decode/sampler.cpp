#include "core/decode/sampler.h"

#include <algorithm>

namespace mlxr::decode {
namespace {

std::uint64_t seed_from_system() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// A uniform number in [0, 1) from the upper 53 bits: the same on every platform, unlike std::uniform_real_distribution.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

}  // namespace

Sampler::Sampler(const Sampling& options)
    : options_(options), random_(options.seed ? *options.seed : seed_from_system()), penalties_(options) {}

std::expected<TokenId, NoChoice> Sampler::sample(std::span<const float> logits, std::span<const TokenId> history, TokenMask mask) {
  mass_.reset();
  row_.read(logits);
  if (!row_.is_sound()) return std::unexpected(NoChoice::kDamagedModel);
  const auto changes = penalties_.changes(logits, history);
  if (changes.empty() && mask.empty()) return choose(row_);
  changed_ = row_;
  changed_.change(changes);
  changed_.mask(mask);
  if (!changed_.is_possible()) return std::unexpected(changed_.is_masked_out() ? NoChoice::kEmptyMask : NoChoice::kNothingPossible);
  return choose(changed_);
}

TokenId Sampler::choose(const LogitRow& row) {
  if (options_.temperature <= 0 || options_.top_k == 1) return row.best();
  softmax_.start(row, options_.temperature);
  Place end = options_.top_k > 0 ? top_k_.end(row, static_cast<std::size_t>(options_.top_k)) : kEnd;
  const Place min_p_end = options_.min_p > 0 ? softmax_.cut_at(options_.min_p) : kEnd;
  if (options_.top_p >= 1) end = std::min(end, min_p_end);
  const double mass = softmax_.take_before(end);
  if (&row == &row_ && options_.temperature == 1 && !(end < kEnd)) mass_ = mass;
  if (options_.top_p >= 1) return softmax_.draw(uniform(random_)).id;

  // The tokens that top_p keeps have, before each of them, less than this. Rather than look for the last of them, draw from all and see
  // whether the drawn one is among them. If not, draw again, from the tokens before it: what is drawn is distributed over the kept tokens
  // as if it had been drawn from them alone, and each draw is expected to halve the rest. Nothing is sorted.
  const double wanted = static_cast<double>(options_.top_p) * mass;
  if (min_p_end < end) softmax_.take_before(min_p_end);
  while (true) {
    const Place token = softmax_.draw(uniform(random_));
    const double before = softmax_.take_before(token);
    if (before < wanted || before == 0) return token.id;  // the most likely token is kept, whatever top_p is
  }
}

Logprobs Sampler::logprobs(TokenId chosen, int n_top) {
  if (!mass_) {
    softmax_.start(row_, 1);
    mass_ = softmax_.take_before(kEnd);
  }
  return decode::logprobs(row_, *mass_, chosen, n_top, top_k_);
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
