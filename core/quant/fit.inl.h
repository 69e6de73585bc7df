// Finds scales. A group of values x is stored as integers q from lo to hi, with a scale and perhaps a minimum that give the least squared
// error:
//   symmetric  x = scale * q                  Q4_0, Q5_0, groups of Q6_K
//   affine     x = scale * q + min            Q4_1, Q5_1, groups of Q4_K and Q5_K (these with min <= 0)
// For fixed q the best scale and min follow by least squares; for a fixed scale and min the best q is the nearest. Alternating between the
// two finds only the local optimum next to the starting point, so the search starts from several scales: the first maps the outermost
// values exactly to lo and hi, the others map them a little beyond or a little inside. Each candidate is judged by the error that remains
// after its scale was rounded as it is stored.
#pragma once

#include "core/quant/lanes.inl.h"

namespace mlxr::quant::MLXR_ISA {

// Values of 16 groups, transposed: x[i][g] is value i of group g.
template <int kSize>
struct alignas(64) Stage {
  float x[kSize][kGroups];

  F at(int i, int first) const {
    F v;
    std::memcpy(&v, &x[i][first], sizeof v);
    return v;
  }
  // Missing groups are filled with zeros.
  void load(const float* src, int n_groups) {
    for (int g = 0; g < kGroups; ++g) {
      for (int i = 0; i < kSize; ++i) x[i][g] = g < n_groups ? src[g * kSize + i] : 0.0f;
    }
  }
};

struct Affine {
  F scale;
  F min;
};

// The integers of all groups, counted from `lo`: q[g][i] of value i of group g. `fit(first)` is that of the groups from `first` on.
template <int kSize, class Fit>
void quantize_groups(const Stage<kSize>& stage, int lo, int hi, Fit fit, std::uint8_t (*q)[kSize]) {
  for (int first = 0; first < kGroups; first += kLanes) {
    const Affine f = fit(first);
    const F inverse = reciprocal(f.scale);
    for (int i = 0; i < kSize; ++i) {
      const F value = round_within((stage.at(i, first) - f.min) * inverse, static_cast<float>(lo), static_cast<float>(hi));
      for (int l = 0; l < kLanes; ++l) q[first + l][i] = static_cast<std::uint8_t>(static_cast<int>(value[l]) - lo);
    }
  }
}

// The squared error of a symmetric group.
template <int kSize>
F symmetric_error(const Stage<kSize>& stage, int first, F scale, int lo, int hi) {
  const F inverse = reciprocal(scale);
  F error{};
  for (int i = 0; i < kSize; ++i) {
    const F x = stage.at(i, first);
    const F off = x - scale * round_within(x * inverse, static_cast<float>(lo), static_cast<float>(hi));
    error += off * off;
  }
  return error;
}

// `stored(scale)` is the scale as the block will hold it.
template <int kSize, class Stored>
F fit_symmetric(const Stage<kSize>& stage, int first, int lo, int hi, int n_steps, float step, Stored stored) {
  F largest{};
  F extreme{};  // the value of the largest magnitude
  for (int i = 0; i < kSize; ++i) {
    const F x = stage.at(i, first);
    extreme = vabs(x) > largest ? x : extreme;
    largest = vmax(largest, vabs(x));
  }
  F best = stored(extreme / static_cast<float>(lo));
  F least = symmetric_error(stage, first, best, lo, hi);
  const auto consider = [&](F inverse) {
    F xq{};
    F qq{};
    for (int i = 0; i < kSize; ++i) {
      const F x = stage.at(i, first);
      const F q = round_within(x * inverse, static_cast<float>(lo), static_cast<float>(hi));
      xq += x * q;
      qq += q * q;
    }
    const F scale = stored(xq * reciprocal(qq));
    const F error = symmetric_error(stage, first, scale, lo, hi);
    best = error < least ? scale : best;
    least = vmin(error, least);
  };
  const F unit = reciprocal(extreme);
  for (int k = -n_steps; k <= n_steps; ++k) {
    consider(unit * (static_cast<float>(lo) + step * static_cast<float>(k)));
    consider(unit * (static_cast<float>(hi) + step * static_cast<float>(k)));
  }
  consider(reciprocal(best));
  return best;
}

template <int kSize>
F affine_error(const Stage<kSize>& stage, int first, Affine fit, int hi) {
  const F inverse = reciprocal(fit.scale);
  F error{};
  for (int i = 0; i < kSize; ++i) {
    const F x = stage.at(i, first);
    const F off = x - (fit.scale * round_within((x - fit.min) * inverse, 0, static_cast<float>(hi)) + fit.min);
    error += off * off;
  }
  return error;
}

// `stored(fit)` is the fit as the block will hold it; kMinIsNegative keeps min at or below zero.
template <int kSize, bool kMinIsNegative, class Stored>
Affine fit_affine(const Stage<kSize>& stage, int first, int hi, int n_steps, float step, Stored stored) {
  F low = stage.at(0, first);
  F high = low;
  for (int i = 1; i < kSize; ++i) {
    low = vmin(low, stage.at(i, first));
    high = vmax(high, stage.at(i, first));
  }
  if constexpr (kMinIsNegative) low = vmin(low, F{});
  F sum{};
  for (int i = 0; i < kSize; ++i) sum += stage.at(i, first) - low;  // relative to `low`: a large common offset would cost precision

  Affine best = stored(Affine{(high - low) / static_cast<float>(hi), low});
  F least = affine_error(stage, first, best, hi);
  const auto consider = [&](F min, F inverse) {
    F q_sum{};
    F qq{};
    F xq{};
    for (int i = 0; i < kSize; ++i) {
      const F x = stage.at(i, first);
      const F q = round_within((x - min) * inverse, 0, static_cast<float>(hi));
      q_sum += q;
      qq += q * q;
      xq += (x - low) * q;
    }
    constexpr float n = kSize;
    F scale = (n * xq - sum * q_sum) * reciprocal(n * qq - q_sum * q_sum);
    F new_min = low + (sum - scale * q_sum) / n;
    if constexpr (kMinIsNegative) {
      scale = new_min > 0.0f ? (xq + low * q_sum) * reciprocal(qq) : scale;
      new_min = vmin(new_min, F{});
    }
    const Affine fit = stored(Affine{scale, new_min});
    const F error = affine_error(stage, first, fit, hi);
    best.scale = error < least ? fit.scale : best.scale;
    best.min = error < least ? fit.min : best.min;
    least = vmin(error, least);
  };
  const F unit = reciprocal(high - low);
  for (int k = -n_steps; k <= n_steps; ++k) consider(low, unit * (static_cast<float>(hi) + step * static_cast<float>(k)));
  for (int k = 0; k < 2; ++k) consider(best.min, reciprocal(best.scale));
  return best;
}

}  // namespace mlxr::quant::MLXR_ISA
