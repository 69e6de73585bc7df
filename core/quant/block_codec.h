// Private to quant/: decoders of one block, and unaligned little-endian loads.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/quant/half.h"

namespace mlxr::quant {

static_assert(std::endian::native == std::endian::little, "block formats are read as they lie in the file");

template <typename T>
T load(const std::byte* src) {
  T value;
  std::memcpy(&value, src, sizeof value);
  return value;
}

inline float load_f16(const std::byte* src) { return f16_to_f32(load<std::uint16_t>(src)); }

// Decode one block of 256 values. Blocks of the K types hold 8 or 16 groups, each with a scale (and minimum) of a few bits,
// relative to one half-precision scale per block.
void decode_q2_k(const std::byte* src, float* dst);
void decode_q4_k(const std::byte* src, float* dst);
void decode_q5_k(const std::byte* src, float* dst);
void decode_q6_k(const std::byte* src, float* dst);

}  // namespace mlxr::quant
