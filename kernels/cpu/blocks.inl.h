// The block formats as they lie in a GGUF file (little-endian), and how one is read: 32 values at a time as bytes u, with
//   weight = scale * u + offset
// for every format. Formats with a fixed centre z have offset = -z * scale. Read once, when panels are made (panel.inl.h).
//
//   Q4_0   d:f16 | 16 bytes, byte i: value i in the low nibble, value 16+i in the high one               u 0..15,  z 8
//   Q4_1   d:f16 m:f16 | 16 bytes as above                                                              u 0..15,  offset m
//   Q5_0   d:f16 | 32 high bits, bit i: value i | 16 bytes of low nibbles as above                       u 0..31,  z 16
//   Q5_1   d:f16 m:f16 | 32 high bits | 16 bytes                                                        u 0..31,  offset m
//   Q8_0   d:f16 | 32 signed bytes                                                                      -128..127 (see kQ8Zero)
//   256 values in 8 groups of 32:
//   Q4_K   d:f16 dmin:f16 | 12 bytes: 8 scales and 8 mins of 6 bits | 4 x 32 bytes: group 2c low, 2c+1 high nibble
//   Q5_K   d:f16 dmin:f16 | 12 bytes | 32 bytes: bit g of byte i is the high bit of value i of group g | 4 x 32 bytes
//   Q6_K   2 x 64 bytes of low nibbles | 2 x 32 bytes of high bit pairs | 16 int8 scales, one per 16 values | d:f16     z 32
#pragma once

namespace mlxr::kernels::MLXR_ISA {

template <Type kType>
struct Block {
  static constexpr int kBytes = layout(uint32_t(kType)).block_bytes;
  static constexpr bool kBig = layout(uint32_t(kType)).block_values == 256;

  // The quants of values [32 b, 32 b + 32) of a row, in order.
  static void quants(const uint8_t* row, int64_t b, uint8_t* u) {
    const uint8_t* p = row + (kBig ? b / 8 : b) * kBytes;
    const int g = int(b % 8);
    for (int i = 0; i < 32; ++i) {
      if constexpr (kType == Type::kQ4_0) u[i] = nibble(p + 2, i);
      if constexpr (kType == Type::kQ4_1) u[i] = nibble(p + 4, i);
      if constexpr (kType == Type::kQ5_0) u[i] = uint8_t(nibble(p + 6, i) | bit(p + 2, i) << 4);
      if constexpr (kType == Type::kQ5_1) u[i] = uint8_t(nibble(p + 8, i) | bit(p + 4, i) << 4);
      if constexpr (kType == Type::kQ8_0) u[i] = p[2 + i];
      if constexpr (kType == Type::kQ4_K) u[i] = p[16 + g / 2 * 32 + i] >> 4 * (g % 2) & 15;
      if constexpr (kType == Type::kQ5_K) u[i] = uint8_t((p[48 + g / 2 * 32 + i] >> 4 * (g % 2) & 15) | (p[16 + i] >> g & 1) << 4);
      if constexpr (kType == Type::kQ6_K) {
        const int h = g / 4, s = g % 4;
        u[i] = uint8_t((p[64 * h + 32 * (s & 1) + i] >> 4 * (s >> 1) & 15) | (p[128 + 32 * h + i] >> 2 * s & 3) << 4);
      }
    }
  }

  // The 6-bit scale and min of group g (0..7) of a block of Q4_K or Q5_K.
  struct ScaleMin {
    uint8_t scale, min;
  };
  static ScaleMin scale_min(const uint8_t* block, int g) {
    const uint8_t* s = block + 4;
    if (g < 4) return {uint8_t(s[g] & 63), uint8_t(s[g + 4] & 63)};
    return {uint8_t((s[g + 4] & 15) | (s[g - 4] >> 6) << 4), uint8_t((s[g + 4] >> 4) | (s[g] >> 6) << 4)};
  }

 private:
  static uint8_t nibble(const uint8_t* p, int i) { return i < 16 ? p[i] & 15 : p[i - 16] >> 4; }
  static uint8_t bit(const uint8_t* p, int i) { return p[i / 8] >> i % 8 & 1; }
};

}  // namespace mlxr::kernels::MLXR_ISA
