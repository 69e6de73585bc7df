#include "core/decode/weigh.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/core/decode/rows.h"

namespace mlxr::decode {
namespace {

TEST(Weigh, EveryVariantGivesTheSameBits) {
  for (const auto& [name, logits] : hostile_rows(50 * LogitRow::kBlock)) {
    for (const float scale : {1e-3f, 1.442695f, 150.0f, std::numeric_limits<float>::max()}) {
      const float most = *std::max_element(logits.begin(), logits.end());
      for (std::size_t at = 0; at < logits.size(); at += LogitRow::kBlock) {
        for (const float above : {-kInfinity, 0.0f, 3.0f}) {
          LogitRow::Block want, got;
          const double sum = weigh_variants().front()({most, scale}, &logits[at], above, want);
          EXPECT_EQ(sum, sum_of(want));
          for (const WeighBlock weigh : weigh_variants()) {
            EXPECT_EQ(weigh({most, scale}, &logits[at], above, got), sum) << name;
            EXPECT_EQ(got, want) << name;
          }
        }
      }
    }
  }
}

TEST(Weigh, WeightsAreTheExponentialsOfWhatIsAbove) {
  LogitRow::Block values, weights;
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = -0.3f * static_cast<float>(i);
  const double sum = weigh_variants().back()({0, 1.44269504f}, values.data(), values[100], weights);
  double want = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double weight = i < 100 ? std::exp(static_cast<double>(values[i])) : 0;
    EXPECT_NEAR(weights[i], weight, weight * 1e-5) << i;
    want += weight;
  }
  EXPECT_NEAR(sum, want, 1e-6);
}

}  // namespace
}  // namespace mlxr::decode
