// The Metal kernels' own source, run by an emulator: what it computes is right. How fast it is, only a Mac can tell.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "emulator.h"

using uint = unsigned;
void rms_norm_simd(const float*, const float*, const float*, float*, const uint&, const float&, const uint&, uint, uint, uint, uint);
void rms_norm_group(const float*, const float*, const float*, float*, const uint&, const float&, const uint&, uint, uint, uint, uint);

namespace mlxr {
namespace {

using Function = decltype(&rms_norm_simd);

struct Variant {
  const char* name;
  Function function;
  unsigned threads;
};
constexpr Variant kVariants[] = {{"simd", rms_norm_simd, 32}, {"group", rms_norm_group, 256}};

std::vector<float> random(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (auto& v : values) v = normal(generator);
  return values;
}

class MetalRmsNorm : public ::testing::TestWithParam<Variant> {};

TEST_P(MetalRmsNorm, EqualsTheDefinition) {
  for (const unsigned d : {1u, 31u, 64u, 67u, 576u}) {
    for (const unsigned has_residual : {0u, 1u}) {
      const unsigned rows = 3;
      const float eps = 1e-5f;
      const auto x = random(rows * d, d), weight = random(d, 2), residual = random(rows * d, 3);
      std::vector<float> y(rows * d + 1, NAN);
      metal_emulator::dispatch(rows, GetParam().threads, [&](const metal_emulator::Position& at) {
        GetParam().function(x.data(), weight.data(), residual.data(), y.data(), d, eps, has_residual, at.threadgroup, at.thread, at.lane,
                            at.simdgroup);
      });
      for (unsigned row = 0; row < rows; ++row) {
        double squares = 0;
        for (unsigned i = 0; i < d; ++i) squares += static_cast<double>(x[row * d + i]) * x[row * d + i];
        for (unsigned i = row * d; i < (row + 1) * d; ++i) {
          const double want = x[i] / std::sqrt(squares / d + eps) * weight[i % d] + (has_residual ? residual[i] : 0);
          EXPECT_NEAR(y[i], want, 1e-5 * (1 + std::abs(want))) << "row " << row << ", d " << d;
        }
      }
      EXPECT_TRUE(std::isnan(y.back())) << "written behind the last row";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, MetalRmsNorm, ::testing::ValuesIn(kVariants), [](const auto& variant) { return variant.param.name; });

}  // namespace
}  // namespace mlxr
