// Arrays of random numbers, and how far two arrays are apart.
#pragma once

#include <gtest/gtest.h>
#include <mlx/ops.h>
#include <mlx/random.h>

#include <cmath>
#include <vector>

namespace mlxr::ops {

namespace mx = mlx::core;

inline std::vector<float> values(mx::array x) {
  x = mx::contiguous(x);
  x.eval();
  return {x.data<float>(), x.data<float>() + x.size()};
}

// Largest difference, relative to the largest value.
inline double error(const mx::array& got, const mx::array& want) {
  const auto a = values(got), b = values(want);
  EXPECT_EQ(a.size(), b.size());
  double worst = 0, largest = 1e-6;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    EXPECT_TRUE(std::isfinite(a[i]));
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return worst / largest;
}

inline mx::array random(mx::Shape shape, std::uint64_t seed) {
  auto x = mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(seed));
  x.eval();
  return x;
}

}  // namespace mlxr::ops
