#include "core/decode/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace mlxr::decode {
namespace {

using ::testing::HasSubstr;

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f};

// The tokens that come out over many draws.
std::set<TokenId> drawn(Sampling options, const std::vector<float>& logits = kLogits, const std::vector<TokenId>& history = {}) {
  options.seed = 1;
  Sampler sampler(options);
  std::set<TokenId> ids;
  for (int i = 0; i < 2000; ++i) ids.insert(sampler.sample(logits, history).value());
  return ids;
}

constexpr Sampling kPlain{.temperature = 1, .top_k = 0, .top_p = 1};

TEST(Sampler, TemperatureZeroTakesTheMostLikely) { EXPECT_EQ(drawn({.temperature = 0}), std::set<TokenId>{1}); }

TEST(Sampler, TemperatureZeroTakesTheLowestIdOfEqualLogits) { EXPECT_EQ(drawn({.temperature = 0}, {0, 7, 7, 7}), std::set<TokenId>{1}); }

TEST(Sampler, TopKKeepsTheKMostLikely) {
  Sampling options = kPlain;
  options.top_k = 2;
  EXPECT_EQ(drawn(options), (std::set<TokenId>{1, 4}));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  Sampling options = kPlain;
  options.top_p = 0.5f;  // token 1 has 0.46: it alone does not reach 0.5, with token 4 it does
  EXPECT_EQ(drawn(options), (std::set<TokenId>{1, 4}));
  options.top_p = 0.4f;
  EXPECT_EQ(drawn(options), std::set<TokenId>{1});
}

TEST(Sampler, MinPDropsWhatIsFarLessLikelyThanTheBest) {
  Sampling options = kPlain;
  options.min_p = 0.3f;  // e^(2-3) = 0.37 stays, e^(1-3) = 0.14 goes
  EXPECT_EQ(drawn(options), (std::set<TokenId>{1, 2, 4}));
}

TEST(Sampler, DrawsInProportionToTheDistribution) {
  Sampling options = kPlain;
  options.seed = 7;
  Sampler sampler(options);
  std::vector<int> counts(kLogits.size());
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(kLogits, {}).value()];
  double sum = 0;
  for (float l : kLogits) sum += std::exp(l);
  for (std::size_t i = 0; i < kLogits.size(); ++i) {
    EXPECT_NEAR(counts[i] / static_cast<double>(kDraws), std::exp(kLogits[i]) / sum, 0.006) << i;
  }
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  Sampling options = kPlain;
  options.seed = 42;
  Sampler a(options), b(options);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.sample(kLogits, {}), b.sample(kLogits, {}));
}

// The three reasons why there is nothing to choose, each with options and masks that could hide it.
TEST(Sampler, SaysWhyItChoosesNothing) {
  constexpr float kImpossible = -std::numeric_limits<float>::infinity(), kInfinity = -kImpossible;
  const std::vector<std::uint32_t> all = {0b1111}, none = {0}, beyond = {0b10000}, second = {0b0010};
  const std::vector<TokenId> history = {0, 1};
  for (Sampling options : {kPlain, Sampling{.temperature = 0}, Sampling{}, Sampling{.top_k = 0, .top_p = 0}, Sampling{.min_p = 1},
                           Sampling{.repeat_penalty = 100, .frequency_penalty = 100}}) {
    Sampler sampler(options);
    const auto why = [&](const std::vector<float>& logits, TokenMask mask) { return sampler.sample(logits, history, mask).error(); };
    for (const auto& mask : {TokenMask{}, TokenMask{all}, TokenMask{none}, TokenMask{second}}) {
      EXPECT_EQ(why({1, 2, NAN, 3}, mask), NoChoice::kDamagedModel);
      EXPECT_EQ(why({1, kInfinity, 2, 3}, mask), NoChoice::kDamagedModel);
      EXPECT_EQ(why({kImpossible, kImpossible, kImpossible, kImpossible}, mask), NoChoice::kDamagedModel);
    }
    EXPECT_EQ(why({1, 2, 0, 3}, none), NoChoice::kEmptyMask);
    EXPECT_EQ(why({1, 2, 0, 3}, beyond), NoChoice::kEmptyMask);
    EXPECT_EQ(why({1, kImpossible, 0, 3}, second), NoChoice::kNothingPossible);
    EXPECT_EQ(sampler.sample(std::vector<float>{1, -3e38f, 0, 3}, history, second), 1);  // unlikely is not impossible
  }
}

TEST(Sampler, AMaskLeavesTheRestInProportion) {
  const std::vector<std::uint32_t> mask = {0b01101};  // tokens 0, 2 and 3
  Sampling options = kPlain;
  options.seed = 3;
  Sampler sampler(options);
  std::vector<int> counts(kLogits.size());
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(kLogits, {}, mask).value()];
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(-1.0);
  EXPECT_EQ(counts[1] + counts[4], 0);
  for (const std::size_t i : {0, 2, 3}) EXPECT_NEAR(counts[i] / static_cast<double>(kDraws), std::exp(kLogits[i]) / sum, 0.006) << i;
}

// A mask comes before top_k, top_p and min_p: they choose among what it allows.
TEST(Sampler, FiltersChooseAmongWhatTheMaskAllows) {
  const std::vector<std::uint32_t> mask = {0b01101};
  for (Sampling options : {Sampling{.temperature = 1, .top_k = 1}, Sampling{.temperature = 0}, Sampling{.temperature = 1, .top_p = 0.1f},
                           Sampling{.temperature = 1, .min_p = 0.9f}}) {
    EXPECT_EQ(Sampler(options).sample(kLogits, {}, mask), 2);
  }
}

TEST(Sampler, TopPOfZeroTakesTheMostLikely) {
  Sampling options = kPlain;
  options.top_p = 0;
  EXPECT_EQ(drawn(options), std::set<TokenId>{1});
  EXPECT_EQ(drawn(options, {5, 5, 5}), std::set<TokenId>{0});
}

TEST(Sampler, OfEqualLogitsTopPAndTopKKeepTheLowerIds) {
  const std::vector<float> logits(300, 2.0f);
  std::set<TokenId> first;
  for (TokenId id = 0; id < 150; ++id) first.insert(id);
  Sampling options = kPlain;
  options.top_p = 0.5f;
  EXPECT_EQ(drawn(options, logits), first);
  options = kPlain;
  options.top_k = 150;
  EXPECT_EQ(drawn(options, logits), first);
}

// What a seed draws is the same on every machine. If a list changes, seeded answers change: say so in CHANGELOG.md.
TEST(Sampler, ASeedDrawsTheSameTokensOnEveryMachine) {
  std::vector<float> logits(5000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i * 2654435761u % 4096) / 256;
  const std::vector<TokenId> history = {10, 20, 30, 10};
  const auto drawn_with = [&](Sampling options) {
    options.seed = 2024;
    Sampler sampler(options);
    std::vector<TokenId> ids;
    for (int i = 0; i < 8; ++i) ids.push_back(sampler.sample(logits, history).value());
    return ids;
  };
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(drawn_with(kPlain), (Ids{3044, 3987, 1309, 1641, 33, 695, 4687, 2813}));
  EXPECT_EQ(drawn_with({.temperature = 0.7f, .top_k = 40, .top_p = 0.9f}), (Ids{3150, 4271, 1400, 104, 525, 4796, 2800, 875}));
  EXPECT_EQ(drawn_with({.temperature = 1.3f, .top_k = 0, .top_p = 0.95f, .min_p = 0.01f, .repeat_penalty = 1.1f}),
            (Ids{3059, 3987, 1314, 1649, 33, 695, 4687, 2823}));
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  // 3 / 2 = 1.5 is below 2.5: token 4 becomes the best. -1 * 2 stays the worst.
  EXPECT_EQ(drawn({.temperature = 0, .repeat_penalty = 2}, kLogits, {1, 3}), std::set<TokenId>{4});
}

TEST(Sampler, PresenceCountsOnceAndFrequencyEveryTime) {
  EXPECT_EQ(drawn({.temperature = 0, .presence_penalty = 0.4f}, kLogits, {1, 1, 1}), std::set<TokenId>{1});   // 3 - 0.4 > 2.5
  EXPECT_EQ(drawn({.temperature = 0, .frequency_penalty = 0.4f}, kLogits, {1, 1, 1}), std::set<TokenId>{4});  // 3 - 1.2 < 2.5
}

TEST(Sampler, PenaltiesLookBackOnlySoFar) {
  const std::vector<TokenId> history = {1, 0, 0};
  EXPECT_EQ(drawn({.temperature = 0, .repeat_penalty = 2, .repeat_last_n = 2}, kLogits, history), std::set<TokenId>{1});
  EXPECT_EQ(drawn({.temperature = 0, .repeat_penalty = 2, .repeat_last_n = -1}, kLogits, history), std::set<TokenId>{4});
  EXPECT_EQ(drawn({.temperature = 0, .repeat_penalty = 2, .repeat_last_n = 0}, kLogits, history), std::set<TokenId>{1});
}

TEST(Sampler, TheSmallestTemperatureTakesTheMostLikely) {
  Sampling options = kPlain;
  options.temperature = 1e-38f;  // 3 / 1e-38 is infinite
  EXPECT_EQ(drawn(options), std::set<TokenId>{1});
  options.top_p = 0.9f;
  EXPECT_EQ(drawn(options), std::set<TokenId>{1});
  options.top_k = 3;
  EXPECT_EQ(drawn(options), std::set<TokenId>{1});
}

TEST(Sampler, PenaltiesCannotMakeGoodLogitsLookDamaged) {
  Sampling options{.temperature = 0, .repeat_penalty = 0.01f};
  EXPECT_EQ(drawn(options, {1e38f, 0, -1e38f}, {0, 2}), std::set<TokenId>{0});
  options.repeat_penalty = 100;
  EXPECT_EQ(drawn(options, {1, 0, -1e38f}, {0, 2}), std::set<TokenId>{0});
  EXPECT_FALSE(Sampler(options).sample(std::vector<float>{1, INFINITY}, std::vector<TokenId>{1}).has_value());
}

// Drawing from all tokens, from a few, or from those above a threshold follows the same distribution.
TEST(Sampler, WithoutTopKDrawsAsWithTheLargest) {
  std::vector<float> logits(300);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = -0.01f * static_cast<float>((i * 7919) % logits.size());
  const auto share_of_the_likely = [&](Sampling options) {
    options.seed = 5;
    Sampler sampler(options);
    int n = 0;
    for (int i = 0; i < 5000; ++i) n += logits[sampler.sample(logits, {}).value()] > -0.5f;
    return n / 5000.0;
  };
  for (const auto& [top_p, min_p] : {std::pair{1.0f, 0.0f}, {0.8f, 0.0f}, {0.999f, 0.0f}, {1.0f, 0.3f}, {0.9f, 0.3f}}) {
    Sampling options{.temperature = 1, .top_k = 0, .top_p = top_p, .min_p = min_p};
    const double all = share_of_the_likely(options);
    options.top_k = 300;
    EXPECT_NEAR(all, share_of_the_likely(options), 0.03) << top_p << " " << min_p;
  }
}

TEST(Sampler, CountsAGrowingHistoryAsItCountsAWholeOne) {
  const std::vector<TokenId> history = {1, 4, 1, 2, 0, 1, 4, 4, 3, 0, 1, 2};
  for (const int window : {-1, 1, 3, 100}) {
    const Sampling options{.temperature = 0, .repeat_last_n = window, .frequency_penalty = 0.7f};
    Sampler growing(options);
    for (std::size_t n = 0; n <= history.size(); ++n) {
      const std::span part(history.data(), n);
      EXPECT_EQ(growing.sample(kLogits, part), Sampler(options).sample(kLogits, part)) << window << " " << n;
    }
  }
}

TEST(SamplingOptions, AProblemNamesTheField) {
  EXPECT_EQ(problem_with({}), "");
  EXPECT_THAT(problem_with({.temperature = -1}), HasSubstr("temperature"));
  EXPECT_THAT(problem_with({.temperature = NAN}), HasSubstr("temperature"));
  EXPECT_THAT(problem_with({.top_p = 1.5f}), HasSubstr("top_p"));
  EXPECT_THAT(problem_with({.repeat_penalty = 0}), HasSubstr("repeat_penalty"));
  EXPECT_THAT(problem_with({.repeat_penalty = 1e-40f}), HasSubstr("repeat_penalty"));
}

}  // namespace
}  // namespace mlxr::decode
