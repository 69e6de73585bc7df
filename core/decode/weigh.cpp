#include "core/decode/weigh.h"

#include <array>

#include "core/decode/exp2.h"

namespace mlxr::decode {
namespace {

[[gnu::always_inline]] inline double sum(const float* weights) {
  constexpr std::size_t kLanes = LogitRow::kBlock / 8;
  float lanes[kLanes];
  for (std::size_t j = 0; j < kLanes; ++j) {
    const auto at = [&](std::size_t i) { return weights[i * kLanes + j]; };
    lanes[j] = ((at(0) + at(1)) + (at(2) + at(3))) + ((at(4) + at(5)) + (at(6) + at(7)));
  }
  double sums[kLanes / 2];
  for (std::size_t j = 0; j < kLanes / 2; ++j) sums[j] = static_cast<double>(lanes[j]) + static_cast<double>(lanes[j + kLanes / 2]);
  for (std::size_t n = kLanes / 4; n > 0; n /= 2) {
    for (std::size_t j = 0; j < n; ++j) sums[j] += sums[j + n];
  }
  return sums[0];
}

[[gnu::always_inline]] inline double weigh(Scale scale, const float* __restrict values, float above, float* __restrict weights) {
  for (std::size_t i = 0; i < LogitRow::kBlock; ++i) {
    const float weight = exp2_of((values[i] - scale.most) * scale.scale);
    weights[i] = values[i] > above ? weight : 0.0f;
  }
  return sum(weights);
}

double weigh_plain(Scale scale, const float* values, float above, LogitRow::Block& weights) {
  return weigh(scale, values, above, weights.data());
}

#ifdef __x86_64__
// The same with vectors of eight floats. Without the fma target, and compiled with -ffp-contract=off, it rounds as the plain one does.
[[gnu::target("avx2")]] double weigh_avx2(Scale scale, const float* values, float above, LogitRow::Block& weights) {
  return weigh(scale, values, above, weights.data());
}
#endif

}  // namespace

float Scale::weight(float logit) const { return exp2_of((logit - most) * scale); }

double sum_of(const LogitRow::Block& weights) { return sum(weights.data()); }

std::span<const WeighBlock> weigh_variants() {
#ifdef __x86_64__
  static constexpr std::array<WeighBlock, 2> kAll = {weigh_plain, weigh_avx2};
  return std::span(kAll).first(__builtin_cpu_supports("avx2") ? 2 : 1);
#else
  static constexpr std::array<WeighBlock, 1> kAll = {weigh_plain};
  return kAll;
#endif
}

}  // namespace mlxr::decode
