// Packed blocks of random bytes: weights of any block type, also of those that have no encoder. Only their scales are chosen.
#pragma once

#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "core/quant/type.h"

namespace mlxr::quant {

// Whether quantize_row writes a type.
inline bool has_encoder(Type type) {
  switch (type) {
    case Type::kF32:
    case Type::kF16:
    case Type::kBF16:
    case Type::kQ4_0:
    case Type::kQ4_1:
    case Type::kQ5_0:
    case Type::kQ5_1:
    case Type::kQ8_0:
    case Type::kQ4_K:
    case Type::kQ5_K:
    case Type::kQ6_K: return true;
    default: return false;
  }
}

// Where a block keeps its half-precision scales. IQ1_M, MXFP4 and NVFP4 have scales of other kinds.
inline std::vector<std::size_t> halves_of(Type type) {
  switch (type) {
    case Type::kQ4_1:
    case Type::kQ5_1:
    case Type::kQ4_K:
    case Type::kQ5_K: return {0, 2};
    case Type::kQ2_K: return {80, 82};
    case Type::kQ3_K: return {108};
    case Type::kQ6_K: return {208};
    case Type::kTQ1_0: return {52};
    case Type::kTQ2_0: return {64};
    case Type::kIQ1_M:
    case Type::kMXFP4:
    case Type::kNVFP4: return {};
    default: return {0};
  }
}

// `scale` is in half precision; the lowest 10 bits of every scale are random. All other bits of a block may be anything.
inline std::vector<std::byte> random_blocks(Type type, std::size_t n_blocks, unsigned seed, std::uint16_t scale = 0x2400) {
  std::mt19937 random(seed);
  const std::size_t size = traits(type).block_bytes;
  std::vector<std::byte> packed(size * n_blocks);
  for (auto& byte : packed) byte = static_cast<std::byte>(random());
  for (std::size_t block = 0; block < packed.size(); block += size) {
    const auto half = static_cast<std::uint16_t>(scale | (random() & 0x3ff));
    for (const std::size_t at : halves_of(type)) std::memcpy(&packed[block + at], &half, sizeof half);
    if (type == Type::kIQ1_M) {  // four bits in each of four words
      for (std::size_t i = 0; i < 4; ++i)
        packed[block + 49 + i * 2] = (packed[block + 49 + i * 2] & std::byte{15}) | static_cast<std::byte>((half >> i * 4 & 15) << 4);
    }
    if (type == Type::kMXFP4) packed[block] = static_cast<std::byte>(112 + random() % 8);  // exponents
    if (type == Type::kNVFP4) {
      for (std::size_t i = 0; i < 4; ++i) packed[block + i] = static_cast<std::byte>(0x20 + random() % 24);  // three powers of two
    }
  }
  return packed;
}

}  // namespace mlxr::quant
