#include "core/decode/exp2.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mlxr::decode {
namespace {

TEST(Exp2, IsExactAtZeroAndNothingFarBelow) {
  EXPECT_EQ(exp2_of(0.0f), 1.0f);
  EXPECT_EQ(exp2_of(-0.0f), 1.0f);
  EXPECT_EQ(exp2_of(-1e-45f), 1.0f);
  EXPECT_EQ(exp2_of(-125.5f), 0.0f);
  EXPECT_EQ(exp2_of(-std::numeric_limits<float>::max()), 0.0f);
  EXPECT_EQ(exp2_of(-std::numeric_limits<float>::infinity()), 0.0f);
}

TEST(Exp2, IsExactForIntegers) {
  for (int n = 0; n <= 125; ++n) EXPECT_EQ(exp2_of(static_cast<float>(-n)), std::ldexp(1.0f, -n)) << n;
}

TEST(Exp2, ErrsNoMoreThanItsHeaderSays) {
  double worst = 0;
  for (float t = -125.49f; t < 0; t += 0x1.8p-12f) worst = std::max(worst, std::abs(exp2_of(t) / std::exp2(static_cast<double>(t)) - 1));
  for (float t = -1; t < -1e-30f; t *= 0.9999f) worst = std::max(worst, std::abs(exp2_of(t) / std::exp2(static_cast<double>(t)) - 1));
  EXPECT_LT(worst, 3e-7);
}

}  // namespace
}  // namespace mlxr::decode
