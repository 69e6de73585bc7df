// How each block format is read: 32 quants at a time as bytes, and per block a scale and an offset, so that
//   weight = scale * u + offset
// for every format. Formats with a fixed centre z have offset = -z * scale. Integers (little-endian) as they lie in a GGUF file:
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

// Halves of nibbles in natural order: 16 low nibbles, then 16 high ones.
inline U8x32 nibbles(const uint8_t* p) {
#if defined(__AVX2__)
  const __m128i b = load<__m128i>(p);
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(b), _mm_srli_epi16(b, 4), 1);
  return (U8x32)_mm256_and_si256(both, _mm256_set1_epi8(15));
#else
  const U8x16 b = load<U8x16>(p), halves[2] = {b & 15, b >> 4};
  return load<U8x32>(halves);
#endif
}

// 16 where bit i of the 32 bits at p is set.
inline U8x32 fifth_bits(const uint8_t* p) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  return (U8x32)_mm256_maskz_set1_epi8(load<uint32_t>(p), 16);
#else
  U8x32 bytes;
#if defined(__AVX2__)
  const __m256i each = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  bytes = (U8x32)_mm256_shuffle_epi8(_mm256_set1_epi32(load<int32_t>(p)), each);
#else
  for (int i = 0; i < 32; ++i) bytes[i] = p[i / 8];
#endif
  const U8x32 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  return reinterpret_cast<U8x32>((bytes & bit) == bit) & 16;
#endif
}

// The 6-bit scale and min of group g (0..7) of Q4_K and Q5_K.
struct ScaleMin {
  int scale, min;
};
inline ScaleMin scale_min(const uint8_t* s, int g) {
  if (g < 4) return {s[g] & 63, s[g + 4] & 63};
  return {(s[g + 4] & 15) | (s[g - 4] >> 6) << 4, (s[g + 4] >> 4) | (s[g] >> 6) << 4};
}

template <Type kType>
struct Codec {
  static constexpr int kBytes = layout(uint32_t(kType)).block_bytes;
  static constexpr bool kBig = layout(uint32_t(kType)).block_values == 256;
  static constexpr int kGroups = kType == Type::kQ6_K ? 2 : 1;  // scales per 32 values
  static constexpr bool kSigned = kType == Type::kQ8_0 && kQ8Zero == 0;

  // Quants of values [32 b, 32 b + 32) of a row.
  static U8x32 quants(const uint8_t* row, int64_t b) {
    if constexpr (!kBig) {
      const uint8_t* p = row + b * kBytes;
      if constexpr (kType == Type::kQ4_0) return nibbles(p + 2);
      if constexpr (kType == Type::kQ4_1) return nibbles(p + 4);
      if constexpr (kType == Type::kQ5_0) return nibbles(p + 6) | fifth_bits(p + 2);
      if constexpr (kType == Type::kQ5_1) return nibbles(p + 8) | fifth_bits(p + 4);
      if constexpr (kType == Type::kQ8_0) return load<U8x32>(p + 2) ^ uint8_t(kQ8Zero);
    } else {
      const uint8_t* p = row + b / 8 * kBytes;
      const int g = int(b % 8);
      if constexpr (kType == Type::kQ4_K) return low_or_high(load<U8x32>(p + 16 + g / 2 * 32), g % 2);
      if constexpr (kType == Type::kQ5_K) {
        const U8x32 high = shift_right(load<U8x32>(p + 16), g) & 1;
        return low_or_high(load<U8x32>(p + 48 + g / 2 * 32), g % 2) | shift_left4(high);
      }
      if constexpr (kType == Type::kQ6_K) {
        const int h = g / 4, s = g % 4;
        const U8x32 high = shift_right(load<U8x32>(p + 128 + 32 * h), 2 * s) & 3;
        return low_or_high(load<U8x32>(p + 64 * h + 32 * (s & 1)), s >> 1) | shift_left4(high);
      }
    }
  }

  // Scales and offsets of the first n_blocks * 32 values of a row: kGroups of each per 32 values, with a stride between them.
  static void scales(const uint8_t* row, int64_t n_blocks, float* scale, float* offset, int64_t stride = 1) {
    if constexpr (!kBig) {
      for (int64_t b = 0; b < n_blocks; ++b, row += kBytes, scale += stride, offset += stride) {
        const float d = half(load<uint16_t>(row));
        *scale = d;
        if constexpr (kType == Type::kQ4_0) *offset = -8 * d;
        if constexpr (kType == Type::kQ5_0) *offset = -16 * d;
        if constexpr (kType == Type::kQ8_0) *offset = -kQ8Zero * d;
        if constexpr (kType == Type::kQ4_1 || kType == Type::kQ5_1) *offset = half(load<uint16_t>(row + 2));
      }
    } else if constexpr (kType == Type::kQ6_K) {
      for (int64_t b = 0; b < n_blocks; b += 8, row += kBytes) {
        const float d = half(load<uint16_t>(row + 208));
        for (int i = 0; i < 16; ++i, scale += stride, offset += stride) {
          *scale = d * float(int8_t(row[192 + i]));
          *offset = -32 * *scale;
        }
      }
    } else {
      for (int64_t b = 0; b < n_blocks; b += 8, row += kBytes) {
        const float d = half(load<uint16_t>(row)), dmin = half(load<uint16_t>(row + 2));
        for (int g = 0; g < 8; ++g, scale += stride, offset += stride) {
          const ScaleMin s = scale_min(row + 4, g);
          *scale = d * float(s.scale);
          *offset = -dmin * float(s.min);
        }
      }
    }
  }

 private:
  typedef uint16_t U16x16 __attribute__((vector_size(32)));  // x86 shifts words, not bytes; the masks below drop what crosses over
  static U8x32 shift_right(U8x32 v, int n) { return reinterpret_cast<U8x32>(reinterpret_cast<U16x16>(v) >> uint16_t(n)); }
  static U8x32 shift_left4(U8x32 v) { return reinterpret_cast<U8x32>(reinterpret_cast<U16x16>(v) << 4); }
  static U8x32 low_or_high(U8x32 v, int high) { return shift_right(v, 4 * high) & 15; }
};

// Calls f with Codec<type>{} for a block format.
template <class Function>
inline void with_codec(uint32_t type, Function f) {
  switch (static_cast<Type>(type)) {
    case Type::kQ4_0: return f(Codec<Type::kQ4_0>{});
    case Type::kQ4_1: return f(Codec<Type::kQ4_1>{});
    case Type::kQ5_0: return f(Codec<Type::kQ5_0>{});
    case Type::kQ5_1: return f(Codec<Type::kQ5_1>{});
    case Type::kQ8_0: return f(Codec<Type::kQ8_0>{});
    case Type::kQ4_K: return f(Codec<Type::kQ4_K>{});
    case Type::kQ5_K: return f(Codec<Type::kQ5_K>{});
    case Type::kQ6_K: return f(Codec<Type::kQ6_K>{});
    default: return;
  }
}

}  // namespace mlxr::kernels::MLXR_ISA
