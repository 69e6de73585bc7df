// Vectors whose lanes are groups: value i of `kLanes` groups lies in one vector, so that a search over scales reads like that of one group
// and needs no sum across lanes. The includer defines MLXR_ISA (a namespace, so that two variants never share a symbol) and MLXR_LANES.
//
// No standard-library templates here: the linker would merge an AVX-512 copy of std::max with everyone else's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/quant/half.h"

namespace mlxr::quant::MLXR_ISA {

typedef float F __attribute__((vector_size(4 * MLXR_LANES)));
typedef std::int32_t I __attribute__((vector_size(4 * MLXR_LANES)));

inline constexpr int kLanes = MLXR_LANES;
inline constexpr int kGroups = 16;  // staged together, whatever the width

// One number for each of the staged groups.
struct alignas(64) PerGroup {
  float of[kGroups];
  F load(int first) const {
    F v;
    std::memcpy(&v, of + first, sizeof v);
    return v;
  }
  void store(int first, F v) { std::memcpy(of + first, &v, sizeof v); }
};

inline F set1(float x) { return x - F{}; }
inline F vmin(F a, F b) { return a < b ? a : b; }
inline F vmax(F a, F b) { return a > b ? a : b; }
inline F vabs(F a) { return reinterpret_cast<F>(reinterpret_cast<I>(a) & 0x7fffffff); }

// Nearest integer between lo and hi, ties to even. The range is small, so that adding 1.5 * 2^23 leaves no fraction.
inline F round_within(F x, float lo, float hi) {
  const F clamped = vmax(vmin(x, set1(hi)), set1(lo));
  return (clamped + 12582912.0f) - 12582912.0f;
}

// 1 / x, or 0 if x is too small to divide by.
inline F reciprocal(F x) {
  const F usable = vabs(x) > 1e-30f ? x : set1(1);
  return vabs(x) > 1e-30f ? 1.0f / usable : F{};
}

// x rounded to half precision as half.h does: to nearest, ties to even, saturating.
inline F to_half(F x) {
  const I sign = reinterpret_cast<I>(x) & static_cast<std::int32_t>(0x80000000u);
  const F magnitude = vmin(vabs(x), set1(65504.0f));
  const F subnormal = (magnitude + 0.5f) - 0.5f;  // below 2^-14 the steps are 2^-24, which are those of numbers just above 0.5
  const I bits = reinterpret_cast<I>(magnitude);
  const F normal = reinterpret_cast<F>((bits + 0xfff + (bits >> 13 & 1)) & ~0x1fff);
  return reinterpret_cast<F>(reinterpret_cast<I>(magnitude < 0x1p-14f ? subnormal : normal) | sign);
}

inline float to_half(float x) {
  const float limited = x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
  return f16_to_f32(f32_to_f16(limited));
}

inline void put_half(std::byte* dst, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  std::memcpy(dst, &bits, sizeof bits);
}

}  // namespace mlxr::quant::MLXR_ISA
