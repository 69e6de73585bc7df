// The K types: a block of 256 values is made of groups, each with a scale (and minimum) of a few bits relative to the block's own in half
// precision. Groups are fitted one by one (fit.inl.h); the block's numbers span the largest of them, and then both are improved in turns:
//   refine  each group tries the neighbours of its small integers, with the block's numbers as they are
//   solve   the block's numbers follow by least squares from all groups; kept only if the error falls
#pragma once

#include "core/quant/block_layout.h"
#include "core/quant/fit.inl.h"

namespace mlxr::quant::MLXR_ISA {

inline constexpr int kRounds = 2;  // of solve and refine
inline constexpr float kInfinity = __builtin_inff();

inline float smax(float a, float b) { return a > b ? a : b; }
inline float within(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }
inline float round_to_int(float x) { return (x + 12582912.0f) - 12582912.0f; }
inline float sum_of(const PerGroup& numbers, int begin, int count) {
  float sum = 0;
  for (int g = begin; g < begin + count; ++g) sum += numbers.of[g];
  return sum;
}
inline float safe_divide(float a, float b) { return b > 1e-30f || b < -1e-30f ? a / b : 0.0f; }

// Q4_K and Q5_K. Two blocks of 8 groups at a time: groups 0 to 7 and 8 to 15 of the stage. A group is d * scale * q - dmin * min.
template <int kBits>
class AffineK {
 public:
  void encode(const float* src, std::byte* dst, int n_blocks) {
    stage_.load(src, n_blocks * 8);
    begin();
    refine();
    for (int round = 0; round < kRounds; ++round) {
      solve();
      refine();
    }
    std::uint8_t q[kGroups][32];
    quantize_groups(stage_, 0, kMax, [&](int first) { return fit(first); }, q);
    for (int b = 0; b < n_blocks; ++b) write(b, q + b * 8, dst + b * kBytes);
  }

 private:
  static constexpr int kMax = (1 << kBits) - 1;
  static constexpr int kBytes = kBits == 4 ? 144 : 176;

  // For each group: the factor of q, and what is added.
  Affine fit(int first) const { return {d_.load(first) * scale_.load(first), -(dmin_.load(first) * min_.load(first))}; }

  void begin() {
    PerGroup scales;
    PerGroup mins;
    for (int first = 0; first < kGroups; first += kLanes) {
      const Affine one = fit_affine<32, true>(stage_, first, kMax, 8, 0.25f, [](Affine f) { return f; });
      scales.store(first, one.scale);
      mins.store(first, -one.min);
    }
    for (int begin = 0; begin < kGroups; begin += 8) {
      float max_scale = 0;
      float max_min = 0;
      for (int g = begin; g < begin + 8; ++g) {
        max_scale = smax(max_scale, scales.of[g]);
        max_min = smax(max_min, mins.of[g]);
      }
      const float d = to_half(max_scale / 63);
      const float dmin = to_half(max_min / 63);
      for (int g = begin; g < begin + 8; ++g) {
        d_.of[g] = d;
        dmin_.of[g] = dmin;
        scale_.of[g] = round_to_int(within(safe_divide(scales.of[g], d), 0, 63));
        min_.of[g] = round_to_int(within(safe_divide(mins.of[g], dmin), 0, 63));
      }
    }
  }

  void refine() {
    for (int first = 0; first < kGroups; first += kLanes) {
      const F d = d_.load(first);
      const F dmin = dmin_.load(first);
      const F scale = scale_.load(first);
      const F min = min_.load(first);
      F best_scale = scale;
      F best_min = min;
      F least = affine_error(stage_, first, fit(first), kMax);
      for (int i = -1; i <= 1; ++i) {
        for (int j = -1; j <= 1; ++j) {
          if (i == 0 && j == 0) continue;
          const F s = vmax(vmin(scale + static_cast<float>(i), set1(63)), F{});
          const F m = vmax(vmin(min + static_cast<float>(j), set1(63)), F{});
          const F error = affine_error(stage_, first, Affine{d * s, -(dmin * m)}, kMax);
          best_scale = error < least ? s : best_scale;
          best_min = error < least ? m : best_min;
          least = vmin(error, least);
        }
      }
      scale_.store(first, best_scale);
      min_.store(first, best_min);
      error_.store(first, least);
    }
  }

  // x = d * (scale * q) - dmin * min over all groups of a block: two unknowns.
  void solve() {
    PerGroup q_sum;
    PerGroup qq;
    PerGroup xq;
    PerGroup x_sum;
    for (int first = 0; first < kGroups; first += kLanes) {
      const Affine f = fit(first);
      const F inverse = reciprocal(f.scale);
      F sums[4] = {};
      for (int i = 0; i < 32; ++i) {
        const F x = stage_.at(i, first);
        const F q = round_within((x - f.min) * inverse, 0, kMax);
        sums[0] += q;
        sums[1] += q * q;
        sums[2] += x * q;
        sums[3] += x;
      }
      q_sum.store(first, sums[0]);
      qq.store(first, sums[1]);
      xq.store(first, sums[2]);
      x_sum.store(first, sums[3]);
    }
    const PerGroup old_d = d_;
    const PerGroup old_dmin = dmin_;
    for (int begin = 0; begin < kGroups; begin += 8) {
      double ss = 0;
      double sm = 0;
      double mm = 0;
      double xs = 0;
      double xm = 0;
      for (int g = begin; g < begin + 8; ++g) {
        const double s = scale_.of[g];
        const double m = min_.of[g];
        ss += s * s * qq.of[g];
        sm += s * m * q_sum.of[g];
        mm += m * m * 32;
        xs += s * xq.of[g];
        xm += m * x_sum.of[g];
      }
      const double determinant = ss * mm - sm * sm;
      double d = d_.of[begin];
      double dmin = dmin_.of[begin];
      if (determinant > 1e-6 * ss * mm) {
        d = (xs * mm - xm * sm) / determinant;
        dmin = (xs * sm - xm * ss) / determinant;
      } else if (ss > 0) {
        d = (xs + dmin * sm) / ss;
      }
      for (int g = begin; g < begin + 8; ++g) {
        d_.of[g] = to_half(static_cast<float>(d));
        dmin_.of[g] = to_half(static_cast<float>(dmin));
      }
    }
    PerGroup error;
    for (int first = 0; first < kGroups; first += kLanes) error.store(first, affine_error(stage_, first, fit(first), kMax));
    for (int begin = 0; begin < kGroups; begin += 8) {
      if (sum_of(error, begin, 8) < sum_of(error_, begin, 8)) continue;
      for (int g = begin; g < begin + 8; ++g) {
        d_.of[g] = old_d.of[g];
        dmin_.of[g] = old_dmin.of[g];
      }
    }
  }

  void write(int b, const std::uint8_t (*q)[32], std::byte* dst) const {
    AffineKBlock block{f32_to_f16(d_.of[b * 8]), f32_to_f16(dmin_.of[b * 8]), {}, {}, q};
    for (int j = 0; j < 8; ++j) {
      block.scale[j] = static_cast<std::uint8_t>(scale_.of[b * 8 + j]);
      block.min[j] = static_cast<std::uint8_t>(min_.of[b * 8 + j]);
    }
    write_affine_k(block, kBits, dst);
  }

  Stage<32> stage_;
  PerGroup d_;     // the block's, repeated for each of its groups
  PerGroup dmin_;  // likewise
  PerGroup scale_;
  PerGroup min_;
  PerGroup error_;
};

template <int kBits>
void encode_affine_k(const float* src, std::byte* dst, int n_blocks) {
  AffineK<kBits>().encode(src, dst, n_blocks);
}

// Q6_K: 16 groups of 16, a group is d * scale * q, with signed scales of 8 bits.
class SymmetricK {
 public:
  void encode(const float* src, std::byte* dst) {
    stage_.load(src, kGroups);
    begin();
    refine();
    for (int round = 0; round < kRounds; ++round) {
      solve();
      refine();
    }
    write(dst);
  }

 private:
  F group_scale(int first) const { return d_ * scale_.load(first); }

  void begin() {
    PerGroup scales;
    for (int first = 0; first < kGroups; first += kLanes) {
      scales.store(first, fit_symmetric(stage_, first, -32, 31, 5, 0.4f, [](F s) { return s; }));
    }
    float extreme = 0;
    for (const float s : scales.of) {
      if (s * s > extreme * extreme) extreme = s;
    }
    // The largest scale becomes an integer near the end of the range: which one, is decided by how the others and d itself round to it.
    float best_d = 0;
    PerGroup best_scale{};
    float least = kInfinity;
    for (const float last : {-128.0f, 127.0f, -126.0f, 125.0f}) {
      d_ = to_half(extreme / last);
      for (int g = 0; g < kGroups; ++g) scale_.of[g] = round_to_int(within(safe_divide(scales.of[g], d_), -128, 127));
      const float error = total_error();
      if (!(error < least)) continue;
      least = error;
      best_d = d_;
      best_scale = scale_;
    }
    d_ = best_d;
    scale_ = best_scale;
  }

  float total_error() const {
    PerGroup error;
    for (int first = 0; first < kGroups; first += kLanes) error.store(first, symmetric_error(stage_, first, group_scale(first), -32, 31));
    return sum_of(error, 0, kGroups);
  }

  void refine() {
    for (int first = 0; first < kGroups; first += kLanes) {
      const F scale = scale_.load(first);
      F best = scale;
      F least = symmetric_error(stage_, first, d_ * scale, -32, 31);
      for (int i = -1; i <= 1; i += 2) {
        const F s = vmax(vmin(scale + static_cast<float>(i), set1(127)), set1(-128));
        const F error = symmetric_error(stage_, first, d_ * s, -32, 31);
        best = error < least ? s : best;
        least = vmin(error, least);
      }
      scale_.store(first, best);
      error_.store(first, least);
    }
  }

  void solve() {
    PerGroup xq;
    PerGroup qq;
    for (int first = 0; first < kGroups; first += kLanes) {
      const F inverse = reciprocal(group_scale(first));
      F x_sum{};
      F q_sum{};
      for (int i = 0; i < 16; ++i) {
        const F x = stage_.at(i, first);
        const F q = round_within(x * inverse, -32, 31);
        x_sum += x * q;
        q_sum += q * q;
      }
      xq.store(first, x_sum);
      qq.store(first, q_sum);
    }
    double xs = 0;
    double ss = 0;
    for (int g = 0; g < kGroups; ++g) {
      const double s = scale_.of[g];
      xs += s * xq.of[g];
      ss += s * s * qq.of[g];
    }
    if (ss <= 0) return;
    const float old = d_;
    d_ = to_half(static_cast<float>(xs / ss));
    if (!(total_error() < sum_of(error_, 0, kGroups))) d_ = old;
  }

  void write(std::byte* dst) const {
    std::uint8_t q[kGroups][16];
    quantize_groups(stage_, -32, 31, [&](int first) { return Affine{group_scale(first), F{}}; }, q);
    SymmetricKBlock block{f32_to_f16(d_), {}, q[0]};
    for (int g = 0; g < kGroups; ++g) block.scale[g] = static_cast<std::int8_t>(scale_.of[g]);
    write_q6_k(block, dst);
  }

  Stage<16> stage_;
  float d_ = 0;
  PerGroup scale_;
  PerGroup error_;
};

inline void encode_q6_k(const float* src, std::byte* dst) { SymmetricK().encode(src, dst); }

}  // namespace mlxr::quant::MLXR_ISA
