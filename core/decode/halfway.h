// Bisection over floats: at most 32 steps between any two.
#pragma once

#include <bit>
#include <cstdint>

namespace mlxr::decode {

// The float with as many floats between it and `low` as between it and `high`; `low` if the two are neighbours. low < high, no NaN.
inline float halfway(float low, float high) {
  // Signed integers in the order of the floats: negative floats have their bits other than the sign inverted.
  const auto flip = [](std::int32_t bits) { return bits < 0 ? bits ^ 0x7fffffff : bits; };
  const std::int64_t a = flip(std::bit_cast<std::int32_t>(low)), b = flip(std::bit_cast<std::int32_t>(high));
  return std::bit_cast<float>(flip(static_cast<std::int32_t>((a + b) >> 1)));
}

}  // namespace mlxr::decode
