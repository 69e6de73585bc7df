// The block formats as they lie in a GGUF file (little-endian), and how one is read: 32 values at a time as codes c, with
//   weight = scale * u + offset,  u = c, or the value that a table has for c (panel.inl.h)
// for every format. Formats with a fixed centre z have offset = -z * scale. Read once, when panels are made.
//
//   Q4_0   d:f16 | 16 bytes, byte i: value i in the low nibble, value 16+i in the high one               c 0..15,  z 8
//   Q4_1   d:f16 m:f16 | 16 bytes as above                                                              c 0..15,  offset m
//   Q5_0   d:f16 | 32 high bits, bit i: value i | 16 bytes of low nibbles as above                       c 0..31,  z 16
//   Q5_1   d:f16 m:f16 | 32 high bits | 16 bytes                                                        c 0..31,  offset m
//   Q8_0   d:f16 | 32 signed bytes                                                                      -128..127 (see kQ8Zero)
//   IQ4_NL d:f16 | 16 bytes as in Q4_0                                                                  table
//   MXFP4  exponent (E8M0) | 16 bytes as in Q4_0                                                        table
//   64 values in 4 groups of 16:
//   NVFP4  4 scales (E4M3) | 4 x 8 bytes, byte i: value i of the group in the low nibble, 8+i in the high one    table
//   256 values in 8 groups of 32, or 16 of 16:
//   Q2_K   16 bytes: scale in the low nibble, min in the high one | 2 x 32 bytes: 2-bit values, group of 32 by group of 32 | d:f16 dmin:f16
//   Q3_K   32 bytes: bit g of byte i is the third bit of value i of group g | 2 x 32 bytes as in Q2_K | 12 bytes: 16 scales of 6 bits,
//          plus 32 | d:f16                                                                              c 0..7,   z 4
//   Q4_K   d:f16 dmin:f16 | 12 bytes: 8 scales and 8 mins of 6 bits | 4 x 32 bytes: group 2c low, 2c+1 high nibble
//   Q5_K   d:f16 dmin:f16 | 12 bytes | 32 bytes: bit g of byte i is the high bit of value i of group g | 4 x 32 bytes
//   Q6_K   2 x 64 bytes of low nibbles | 2 x 32 bytes of high bit pairs | 16 int8 scales, one per 16 values | d:f16     z 32
//   IQ4_XS d:f16 | 2 bytes: upper 2 bits of 8 scales | 4 bytes: their low nibbles; plus 32 | 8 x 16 bytes as in Q4_0    table
// IQ1 to IQ3 are in grid_blocks.inl.h.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// The scale of a group of values as the byte, or nibble, that panels have, and the min of Q4_K and Q5_K.
struct ScaleMin {
  uint8_t scale, min;
};

// Eight values at a time, as the bytes of a word.
struct EightBytes {
  static constexpr uint64_t kEach = 0x0101010101010101;  // byte
  static uint64_t word(const uint8_t* p, int i) { return load<uint64_t>(p + 8 * i); }
  // Some bits of each byte.
  static uint64_t cut(uint64_t word, int shift, uint64_t mask) { return word >> shift & mask * kEach; }
  // Byte i is bit i of a byte.
  static uint64_t spread(uint8_t bits) { return cut((bits * kEach & 0x8040201008040201) + 0x7f * kEach, 7, 1); }
};

template <Type kType>
struct Block : EightBytes {
  static constexpr Type kOf = kType;
  static constexpr int kBytes = layout(uint32_t(kType)).block_bytes;
  static constexpr int kParts = layout(uint32_t(kType)).block_values / 32;
  // Where d is, in the formats that have one; a minimum follows it.
  static constexpr int kScaleAt = kType == Type::kQ2_K ? 80 : kType == Type::kQ3_K ? 108 : kType == Type::kQ6_K ? 208 : 0;

  // The codes of values [32 b, 32 b + 32) of a row, in order, a byte each.
  static void codes(const uint8_t* row, int64_t b, uint64_t (&c)[4]) {
    const uint8_t* p = row + b / kParts * kBytes;
    const int g = int(b % kParts);
    if constexpr (kType == Type::kQ4_0 || kType == Type::kIQ4_NL) return nibbles(p + 2, c);
    if constexpr (kType == Type::kQ4_1) return nibbles(p + 4, c);
    if constexpr (kType == Type::kIQ4_XS) return nibbles(p + 8 + 16 * g, c);
    if constexpr (kType == Type::kMXFP4) return nibbles(p + 1, c);
    if constexpr (kType == Type::kQ5_0 || kType == Type::kQ5_1) {
      const uint8_t* high = p + (kType == Type::kQ5_0 ? 2 : 4);
      nibbles(high + 4, c);
      for (int i = 0; i < 4; ++i) c[i] |= spread(high[i]) << 4;
    }
    for (int i = 0; i < 4; ++i) {  // 8 values
      if constexpr (kType == Type::kQ8_0) c[i] = word(p + 2, i);
      if constexpr (kType == Type::kNVFP4) c[i] = cut(word(p + 4 + 16 * g, i / 2), 4 * (i % 2), 15);
      if constexpr (kType == Type::kQ2_K) c[i] = cut(word(p + 16 + 32 * (g / 4), i), 2 * (g % 4), 3);
      if constexpr (kType == Type::kQ3_K) c[i] = cut(word(p + 32 + 32 * (g / 4), i), 2 * (g % 4), 3) | cut(word(p, i), g, 1) << 2;
      if constexpr (kType == Type::kQ4_K) c[i] = cut(word(p + 16 + 32 * (g / 2), i), 4 * (g % 2), 15);
      if constexpr (kType == Type::kQ5_K) c[i] = cut(word(p + 48 + 32 * (g / 2), i), 4 * (g % 2), 15) | cut(word(p + 16, i), g, 1) << 4;
      if constexpr (kType == Type::kQ6_K) {
        const int h = g / 4, s = g % 4;
        c[i] = cut(word(p + 64 * h + 32 * (s & 1), i), 4 * (s >> 1), 15) | cut(word(p + 128 + 32 * h, i), 2 * s, 3) << 4;
      }
    }
  }

  // d, or the minimum that follows it.
  static uint16_t half_field(const uint8_t* p, int i) { return load<uint16_t>(p + kScaleAt + 2 * i); }

  static ScaleMin scale_min(const uint8_t* p, int g) {
    if constexpr (kType == Type::kMXFP4) return {p[0], 0};
    if constexpr (kType == Type::kNVFP4) return {uint8_t(p[g] == 0x7f ? 0 : p[g] & 0x7f), 0};  // no sign; NaN counts as 0
    if constexpr (kType == Type::kQ2_K) return {p[g], 0};
    if constexpr (kType == Type::kQ3_K)
      return {uint8_t(((p[96 + g % 8] >> g / 8 * 4 & 15) | (p[104 + g % 4] >> g / 4 * 2 & 3) << 4) - 32), 0};
    if constexpr (kType == Type::kQ6_K) return {p[192 + g], 0};
    if constexpr (kType == Type::kIQ4_XS)
      return {uint8_t(((p[4 + g / 2] >> g % 2 * 4 & 15) | (p[2 + g / 4] >> g % 4 * 2 & 3) << 4) - 32), 0};
    const uint8_t* s = p + 4;
    if (g < 4) return {uint8_t(s[g] & 63), uint8_t(s[g + 4] & 63)};
    return {uint8_t((s[g + 4] & 15) | (s[g - 4] >> 6) << 4), uint8_t((s[g + 4] >> 4) | (s[g] >> 6) << 4)};
  }

 private:
  // Of 16 bytes, the low nibbles and then the high ones.
  static void nibbles(const uint8_t* p, uint64_t (&c)[4]) {
    for (int i = 0; i < 4; ++i) c[i] = cut(word(p, i % 2), i / 2 * 4, 15);
  }
};

}  // namespace mlxr::kernels::MLXR_ISA
