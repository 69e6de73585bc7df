// IQ1 to IQ3: blocks whose values are points of a grid, 8 (IQ3: 4) at a time. A file has the number of a point; the table of points, which
// is a part of the format, is in core/quant/iq_grids.inc.h. A code c is what the grid has, 2 bits (IQ3: 3), and above it the sign: of the
// value, or, in IQ1, of an eighth that is added to it. All blocks have 256 values in 8 groups of 32, or 16 of 16; scales are nibbles.
//
//   IQ1_S   d:f16 | 32 low bytes of numbers | 8 words: of a group, upper 3 bits of 4 numbers; 3 bits of scale; sign of the eighth
//   IQ1_M   32 low bytes of numbers | 32 nibbles: their upper 3 bits, sign of the eighth | 4 words: 4 scales of 3 bits, a nibble of d:f16
//   IQ2_XXS d:f16 | 8 times 4 numbers and a word: 4 times 7 signs, a scale
//   IQ2_XS  d:f16 | 32 words: a number of 9 bits, 7 signs | 16 scales
//   IQ2_S   d:f16 | 32 low bytes of numbers | 32 bytes of signs | 32 times 2 upper bits of numbers | 16 scales
//   IQ3_XXS d:f16 | 64 numbers | 8 words: 4 times 7 signs, a scale
//   IQ3_S   d:f16 | 64 low bytes of numbers | their ninth bits | 32 bytes of signs | 8 scales
// Of 8 signs an even number is negative where the file has 7 of them.
#pragma once

#include "core/quant/iq_grids.inc.h"

namespace mlxr::kernels::MLXR_ISA {

// The format as whose panels those of a type are laid out.
constexpr Type panel_type(Type type) {
  switch (type) {
    case Type::kIQ1_S:
    case Type::kIQ1_M:
    case Type::kIQ2_XXS:
    case Type::kIQ2_XS: return Type::kIQ2_S;
    case Type::kIQ3_XXS: return Type::kIQ3_S;
    default: return type;
  }
}
constexpr bool has_grid(Type type) { return panel_type(type) == Type::kIQ2_S || panel_type(type) == Type::kIQ3_S; }

template <Type kType>
  requires(has_grid(kType))
struct Block<kType> : EightBytes {
  static constexpr Type kOf = kType;
  static constexpr int kBytes = layout(uint32_t(kType)).block_bytes, kParts = 8;

  // As the general Block has it.
  static void codes(const uint8_t* row, int64_t b, uint64_t (&c)[4]) {
    const uint8_t* p = row + b / kParts * kBytes;
    const int g = int(b % kParts);
    for (int i = 0; i < 4; ++i) c[i] = eight(p, g, i);
  }

  static uint16_t half_field(const uint8_t* p, int) {
    if constexpr (kType != Type::kIQ1_M) return load<uint16_t>(p);
    const auto words = load<uint64_t>(p + 48);
    return uint16_t((words >> 12 & 0xf) | (words >> 24 & 0xf0) | (words >> 36 & 0xf00) | (words >> 48 & 0xf000));
  }

  // Of 16 values, or of 32 in IQ3.
  static ScaleMin scale_min(const uint8_t* p, int g) { return {uint8_t(scale(p, g) & 15), 0}; }

 private:
  static uint32_t scale(const uint8_t* p, int g) {
    if constexpr (kType == Type::kIQ1_S) return load<uint16_t>(p + 34 + g / 2 * 2) >> 12 & 7;
    if constexpr (kType == Type::kIQ1_M) return load<uint16_t>(p + 48 + g / 4 * 2) >> g % 4 * 3 & 7;
    if constexpr (kType == Type::kIQ2_XXS) return load<uint32_t>(p + 6 + g / 2 * 8) >> 28;
    if constexpr (kType == Type::kIQ3_XXS) return load<uint32_t>(p + 66 + g * 4) >> 28;
    constexpr int kAt = kType == Type::kIQ2_XS ? 66 : kType == Type::kIQ2_S ? 74 : 106;
    return uint32_t(p[kAt + g / 2] >> g % 2 * 4);
  }

  // The codes of values 8i..8i + 7 of group g of a block.
  static uint64_t eight(const uint8_t* p, int g, int i) {
    const int l = 4 * g + i;
    if constexpr (kType == Type::kIQ1_S) {
      const int word = load<uint16_t>(p + 34 + 2 * g);
      return pairs(quant::kIq1Grid[p[2 + l] | (word >> 3 * i & 7) << 8]) | (word >> 15) * (4 * kEach);
    }
    if constexpr (kType == Type::kIQ1_M) {
      const int nibble = p[32 + l / 2] >> l % 2 * 4;
      return pairs(quant::kIq1Grid[p[l] | (nibble & 7) << 8]) | (nibble >> 3 & 1) * (4 * kEach);
    }
    if constexpr (kType == Type::kIQ2_XXS) {
      const uint8_t* numbers = p + 2 + 8 * g;
      return pairs(quant::kIq2XxsGrid[numbers[i]]) | spread(even(load<uint32_t>(numbers + 4) >> 7 * i)) << 2;
    }
    if constexpr (kType == Type::kIQ2_XS) {
      const uint32_t word = load<uint16_t>(p + 2 + 2 * l);
      return pairs(quant::kIq2XsGrid[word & 511]) | spread(even(word >> 9)) << 2;
    }
    if constexpr (kType == Type::kIQ2_S) return pairs(quant::kIq2SGrid[p[2 + l] | (p[66 + g] >> 2 * i & 3) << 8]) | spread(p[34 + l]) << 2;
    const uint8_t* numbers = p + 2 + 2 * l;
    if constexpr (kType == Type::kIQ3_XXS)
      return nibbles(quant::kIq3XxsGrid[numbers[0]], quant::kIq3XxsGrid[numbers[1]]) | spread(even(load<uint32_t>(p + 66 + 4 * g) >> 7 * i))
                                                                                           << 3;
    if constexpr (kType == Type::kIQ3_S) {
      const int ninth = p[66 + g] >> 2 * i;
      return nibbles(quant::kIq3SGrid[numbers[0] | (ninth & 1) << 8], quant::kIq3SGrid[numbers[1] | (ninth & 2) << 7]) | spread(p[74 + l])
                                                                                                                             << 3;
    }
  }

  // 7 signs and the one that follows from them.
  static uint8_t even(uint32_t signs) {
    signs &= 127;
    return uint8_t(signs | uint32_t(__builtin_parity(signs)) << 7);
  }
  // Eight times 2 bits, a byte each; two times four nibbles.
  static uint64_t pairs(uint64_t x) {
    x = (x | x << 24) & 0x000000ff000000ff;
    x = (x | x << 12) & 0x000f000f000f000f;
    return (x | x << 6) & 0x0303030303030303;
  }
  static uint64_t nibbles(uint64_t first, uint64_t second) {
    uint64_t x = first | second << 32;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    return (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
  }
};

}  // namespace mlxr::kernels::MLXR_ISA
