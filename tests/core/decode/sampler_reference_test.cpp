// The sampler beside its definition: sort everything, walk down the list.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/decode/sampler.h"
#include "tests/core/decode/rows.h"

namespace mlxr::decode {
namespace {

const std::vector<TokenId> kHistory = {3, 0, 60, 3, 64, 3, 127, 128, 200'000};

std::vector<float> penalised(std::vector<float> logits, const Sampling& o) {
  std::map<TokenId, int> counts;
  const std::size_t window = o.repeat_last_n < 0 ? kHistory.size() : static_cast<std::size_t>(o.repeat_last_n);
  for (std::size_t i = kHistory.size() - std::min(window, kHistory.size()); i < kHistory.size(); ++i) ++counts[kHistory[i]];
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const auto& [id, count] : counts) {
    if (static_cast<std::size_t>(id) >= logits.size() || logits[static_cast<std::size_t>(id)] == -kInfinity) continue;
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / o.repeat_penalty : logit * o.repeat_penalty;
    logit = std::clamp(logit - (o.presence_penalty + o.frequency_penalty * static_cast<float>(count)), -kLargest, kLargest);
  }
  return logits;
}

struct Reference {
  std::vector<Place> order;     // the most likely first
  std::vector<double> weights;  // of these
  std::size_t surely, perhaps;  // how many the filters keep: where a total is within rounding of the limit, one or the other
};

Reference reference(const std::vector<float>& row, const Sampling& o, TokenMask mask) {
  const auto logits = penalised(row, o);
  Reference r;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool allowed = mask.empty() || (mask[i / 32] >> (i % 32)) & 1;
    if (allowed && logits[i] > -kInfinity) r.order.push_back({logits[i], static_cast<TokenId>(i)});
  }
  std::sort(r.order.begin(), r.order.end());
  if (o.temperature == 0 && !r.order.empty()) r.order.resize(1);
  if (o.top_k > 0 && r.order.size() > static_cast<std::size_t>(o.top_k)) r.order.resize(static_cast<std::size_t>(o.top_k));
  for (const auto& [logit, id] : r.order) {
    r.weights.push_back(o.temperature == 0 ? 1 : std::exp((static_cast<double>(logit) - r.order[0].logit) / o.temperature));
  }
  const double mass = std::accumulate(r.weights.begin(), r.weights.end(), 0.0);
  const auto kept = [&](double tolerance) {
    const double least = o.min_p - tolerance * o.min_p, wanted = o.top_p < 1 ? o.top_p * mass + tolerance * mass : 2 * mass;
    std::size_t n = 0;
    double before = 0;
    while (n < r.weights.size() && before < wanted && r.weights[n] >= least) before += r.weights[n++];
    return std::max<std::size_t>(n, 1);
  };
  r.surely = kept(-1e-5);
  r.perhaps = kept(1e-5);
  return r;
}

std::vector<Sampling> mixtures() {
  std::vector<Sampling> all = {{.temperature = 0}};
  for (const float temperature : {0.01f, 1.0f, 100.0f}) {
    for (const int top_k : {0, 1, 3, 40, 1000}) {
      for (const float top_p : {0.0f, 0.5f, 0.9f, 1.0f}) {
        for (const float min_p : {0.0f, 0.05f, 1.0f})
          all.push_back({.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p});
      }
    }
  }
  return all;
}

std::string describe(const Sampling& o) {
  return "temperature " + std::to_string(o.temperature) + " top_k " + std::to_string(o.top_k) + " top_p " + std::to_string(o.top_p) +
         " min_p " + std::to_string(o.min_p) + " repeat " + std::to_string(o.repeat_penalty);
}

void expect_draws_from_the_kept(const NamedRow& row, Sampling options, TokenMask mask, int n_draws) {
  options.seed = 11;
  const Reference want = reference(row.logits, options, mask);
  Sampler sampler(options);
  for (int i = 0; i < n_draws; ++i) {
    const auto id = sampler.sample(row.logits, kHistory, mask);
    if (want.order.empty()) {
      EXPECT_EQ(id.error(), NoChoice::kNothingPossible);
      return;
    }
    ASSERT_TRUE(id.has_value()) << row.name << " of " << row.logits.size() << ", " << describe(options) << " "
                                << static_cast<int>(id.error());
    const auto kept = std::span(want.order).first(want.perhaps);
    ASSERT_TRUE(std::ranges::any_of(kept, [&](const Place& token) { return token.id == *id; }))
        << row.name << " of " << row.logits.size() << ", " << describe(options) << ": drew " << *id << ", kept are " << kept.size();
  }
}

TEST(SamplerAndReference, DrawFromTheSameTokens) {
  for (const std::size_t size : {1, 63, 64, 65, 128, 129, 700}) {
    const auto mask = random_mask(size, 0.6);
    const bool allows_some = std::ranges::any_of(mask, [](std::uint32_t word) { return word != 0; });
    for (const auto& row : hostile_rows(size)) {
      for (Sampling options : mixtures()) {
        expect_draws_from_the_kept(row, options, {}, 5);
        options.repeat_penalty = 1.1f, options.frequency_penalty = 0.5f, options.presence_penalty = -0.5f, options.repeat_last_n = 5;
        expect_draws_from_the_kept(row, options, {}, 3);
        if (allows_some) expect_draws_from_the_kept(row, options, mask, 3);
      }
    }
  }
}

TEST(SamplerAndReference, DrawFromTheSameTokensOfALargeVocabulary) {
  const auto mask = random_mask(262144, 0.001);
  for (const auto& row : hostile_rows(262144)) {
    for (const Sampling& options :
         {Sampling{.temperature = 0}, Sampling{}, Sampling{.temperature = 1, .top_k = 0, .top_p = 0.95f},
          Sampling{.temperature = 1, .top_k = 100'000, .top_p = 0.5f, .repeat_penalty = 1.1f, .repeat_last_n = -1},
          Sampling{.temperature = 2, .top_k = 0, .top_p = 1, .min_p = 0.05f, .presence_penalty = 0.5f}}) {
      expect_draws_from_the_kept(row, options, {}, 3);
      expect_draws_from_the_kept(row, options, mask, 3);
    }
  }
}

// Pearson's chi-square test with a fixed seed: tokens with less than 10 expected draws count as one.
void expect_draws_in_proportion(const NamedRow& row, Sampling options, TokenMask mask) {
  constexpr int kDraws = 4'000;
  options.seed = 5;
  const Reference want = reference(row.logits, options, mask);
  ASSERT_EQ(want.surely, want.perhaps) << row.name;
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(row.logits, kHistory, mask).value()];
  const double mass = std::accumulate(want.weights.begin(), want.weights.begin() + static_cast<std::ptrdiff_t>(want.surely), 0.0);
  double chi_square = 0, rare_expected = 0, rare_seen = 0;
  int freedom = -1;
  const auto add = [&](double expected, double seen) {
    chi_square += (seen - expected) * (seen - expected) / expected;
    ++freedom;
  };
  for (std::size_t i = 0; i < want.surely; ++i) {
    const double expected = kDraws * want.weights[i] / mass, seen = counts[want.order[i].id];
    if (expected >= 10) {
      add(expected, seen);
    } else {
      rare_expected += expected, rare_seen += seen;
    }
  }
  if (rare_expected >= 10) {
    add(rare_expected, rare_seen);
  } else {
    EXPECT_LT(rare_seen, 40);
  }
  EXPECT_LT(chi_square, freedom + 4 * std::sqrt(2.0 * freedom) + 8) << row.name << ", " << describe(options) << ", freedom " << freedom;
}

TEST(SamplerAndReference, DrawInTheSameProportions) {
  const auto mask = random_mask(700, 0.4);
  for (const auto& row : hostile_rows(700)) {
    if (row.name != "normal" && row.name != "ties" && row.name != "mostly impossible" && row.name != "ascending") continue;
    for (const float temperature : {1.0f, 3.0f}) {
      for (const auto& [top_k, top_p, min_p] : {std::tuple{0, 1.0f, 0.0f},
                                                {0, 0.87f, 0.0f},
                                                {0, 0.31f, 0.0f},
                                                {37, 1.0f, 0.0f},
                                                {37, 0.83f, 0.0f},
                                                {0, 1.0f, 0.053f},
                                                {0, 0.97f, 0.053f},
                                                {0, 0.5f, 0.0031f}}) {
        Sampling options{.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p};
        expect_draws_in_proportion(row, options, {});
        options.repeat_penalty = 1.2f, options.frequency_penalty = 0.4f;
        expect_draws_in_proportion(row, options, mask);
      }
    }
  }
}

}  // namespace
}  // namespace mlxr::decode
