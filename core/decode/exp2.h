// 2^t, the same to the last bit on every machine, and fast where the compiler makes vectors of a loop around it.
#pragma once

#include <bit>
#include <cstdint>

namespace mlxr::decode {

// 2^t for t <= 0, minus infinity included; 0 for t <= -125.5. exp2_of(0) is 1.
//
// t is split into an integer and f in [-0.5, 0.5]; 2^f is 1 + f * q(f), where q has the least largest relative error that a polynomial of
// this degree can have. Relative error of the result: at most 3e-7. Every file that includes this one is compiled with
// -ffp-contract=off (CMakeLists.txt): a fused multiplication and addition rounds differently.
inline float exp2_of(float t) {
  constexpr float kToInteger = 0x1.8p23f;  // a float this large has no fraction: adding it rounds
  const float limited = t > -126.0f ? t : -126.0f;
  const float rounded = limited + kToInteger;
  const float f = limited - (rounded - kToInteger);
  float q = 0x1.5bba14p-10f;
  q = q * f + 0x1.3cea88p-7f;
  q = q * f + 0x1.c6b752p-5f;
  q = q * f + 0x1.ebf9bcp-3f;
  q = q * f + 0x1.62e42ap-1f;
  // Twice 2^f, times 2^(integer - 1): the product is never denormal, and the exponent of -126 is that of 0.
  const std::int32_t exponent = std::bit_cast<std::int32_t>(rounded) - std::bit_cast<std::int32_t>(kToInteger) + 126;
  return (2.0f + 2.0f * (f * q)) * std::bit_cast<float>(exponent << 23);
}

}  // namespace mlxr::decode
