// Floats of 8 and 4 bits, one value at a time and exactly.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace mlxr::formats {

// E4M3 of the Open Compute Project: no infinities, one NaN of each sign.
inline float e4m3_to_f32(std::uint8_t byte) {
  const int exponent = byte >> 3 & 15, mantissa = byte & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude =
      exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9) : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return byte & 0x80 ? -magnitude : magnitude;
}

// E8M0: a power of two.
inline float e8m0_to_f32(std::uint8_t byte) { return byte == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, byte - 127); }

// E2M1, of which only the lower 4 bits count.
inline float e2m1_to_f32(std::uint8_t bits) {
  constexpr float kMagnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return bits & 8 ? -kMagnitudes[bits & 7] : kMagnitudes[bits & 7];
}

}  // namespace mlxr::formats
