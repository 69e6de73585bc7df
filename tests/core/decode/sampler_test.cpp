#include "core/decode/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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

TEST(Sampler, ChoosesNothingFromWhatAreNoNumbers) {
  Sampler sampler(kPlain);
  EXPECT_FALSE(sampler.sample(std::vector<float>{1, NAN, 2}, {}));
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

TEST(Logprobs, AreTheLogarithmOfSoftmaxMostLikelyFirst) {
  const auto result = logprobs(kLogits, 2, 2);
  double sum = 0;
  for (float l : kLogits) sum += std::exp(l);
  EXPECT_NEAR(result.chosen, std::log(std::exp(2.0) / sum), 1e-5);
  ASSERT_EQ(result.top.size(), 2u);
  EXPECT_EQ(result.top[0].first, 1);
  EXPECT_EQ(result.top[1].first, 4);
}

TEST(SamplingOptions, AProblemNamesTheField) {
  EXPECT_EQ(problem_with({}), "");
  EXPECT_THAT(problem_with({.temperature = -1}), HasSubstr("temperature"));
  EXPECT_THAT(problem_with({.temperature = NAN}), HasSubstr("temperature"));
  EXPECT_THAT(problem_with({.top_p = 1.5f}), HasSubstr("top_p"));
  EXPECT_THAT(problem_with({.repeat_penalty = 0}), HasSubstr("repeat_penalty"));
}

}  // namespace
}  // namespace mlxr::decode
