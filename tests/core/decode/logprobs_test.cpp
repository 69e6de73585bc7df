#include "core/decode/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/decode/sampler.h"
#include "core/decode/softmax.h"
#include "tests/core/decode/rows.h"

namespace mlxr::decode {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f};

Logprobs logprobs(std::span<const float> logits, TokenId chosen, int n_top) {
  LogitRow row;
  row.read(logits);
  Softmax softmax;
  softmax.start(row, 1);
  TopK top_k;
  return logprobs(row, softmax.take_before(kEnd), chosen, n_top, top_k);
}

TEST(Logprobs, OfNoneButTheChosen) { EXPECT_TRUE(logprobs(kLogits, 2, 0).top.empty()); }

TEST(Logprobs, AreTheLogarithmOfSoftmaxMostLikelyFirst) {
  const auto result = logprobs(kLogits, 2, 2);
  double sum = 0;
  for (float l : kLogits) sum += std::exp(l);
  EXPECT_NEAR(result.chosen, std::log(std::exp(2.0) / sum), 1e-5);
  ASSERT_EQ(result.top.size(), 2u);
  EXPECT_EQ(result.top[0].first, 1);
  EXPECT_EQ(result.top[1].first, 4);
}

TEST(Logprobs, AreThoseOfALargeVocabulary) {
  const auto logits = hostile_rows(262144)[0].logits;
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l));
  const auto result = logprobs(logits, 77, 20);
  EXPECT_NEAR(result.chosen, logits[77] - std::log(sum), 2e-6);
  ASSERT_EQ(result.top.size(), 20u);
  for (const auto& [id, logprob] : result.top) EXPECT_NEAR(logprob, logits[static_cast<std::size_t>(id)] - std::log(sum), 2e-6);
}

// Whatever the sampler computed before, and whatever its options and mask are: the log-probabilities are the model's.
TEST(Logprobs, OfTheSamplerAreTheModelsOwn) {
  const auto logits = hostile_rows(1000)[0].logits;
  const auto mask = random_mask(logits.size(), 0.5);
  const std::vector<TokenId> history = {1, 2, 3, 3};
  for (const Sampling& options :
       {Sampling{.temperature = 0}, Sampling{.temperature = 1, .top_k = 0, .top_p = 1},
        Sampling{.temperature = 1, .top_k = 0, .top_p = 0.9f}, Sampling{.temperature = 1, .top_k = 40, .top_p = 1},
        Sampling{.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0.1f}, Sampling{.temperature = 0.5f},
        Sampling{.temperature = 1, .top_k = 0, .top_p = 1, .repeat_penalty = 2, .presence_penalty = 3}}) {
    for (const TokenMask some : {TokenMask{}, TokenMask{mask}}) {
      Sampler sampler(options);
      const TokenId id = sampler.sample(logits, history, some).value();
      const auto want = logprobs(logits, id, 5), got = sampler.logprobs(id, 5);
      EXPECT_EQ(got.chosen, want.chosen);
      EXPECT_EQ(got.top, want.top);
    }
  }
}

}  // namespace
}  // namespace mlxr::decode
