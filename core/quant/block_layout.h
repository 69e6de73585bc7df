// Private to quant/: where the numbers of a block lie. Written by the encoders and by convert.cpp, read by the decoders.
//
// Ordinary functions in a file of their own, so that the encoders' copies for one instruction set (lanes.inl.h) share no symbol with
// others.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mlxr::quant {

// 32 values of 4 or 5 bits, of Q4_0 to Q5_1: the nibbles of value i and i + 16 share a byte, the fifth bits make one 32-bit word before
// them.
void write_32(const std::uint8_t* q, bool with_fifth_bits, std::byte* dst);

// A block of Q4_K (4 bits) or Q5_K (5): d and dmin as half precision, 8 scales and minima of 6 bits, 8 groups of 32 values.
struct AffineKBlock {
  std::uint16_t d, dmin;
  std::uint8_t scale[8], min[8];
  const std::uint8_t (*q)[32];
};
void write_affine_k(const AffineKBlock& block, int bits, std::byte* dst);

// A block of Q6_K: d as half precision, 16 scales, 256 values from 0 to 63, of which 32 stands for 0.
struct SymmetricKBlock {
  std::uint16_t d;
  std::int8_t scale[16];
  const std::uint8_t* q;
};
void write_q6_k(const SymmetricKBlock& block, std::byte* dst);

}  // namespace mlxr::quant
