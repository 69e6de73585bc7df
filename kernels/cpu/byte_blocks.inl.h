// Blocks of 32 values as int8: of activations, and of what a Q8_0 cache stores.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// 32 values as int8: x ≈ d * q, q in [-127, 127]. A block whose d would be below `least` becomes zero, because 1 / d would overflow. In a
// block with a NaN or an infinity, d is NaN: so is every product with it, and damaged weights cannot pass for an answer.
struct ByteBlock {
  float d;
  int sums[2];  // of each half of q
};
inline ByteBlock quantize_block(const float* x, float least, int8_t* q) {
  constexpr int kVectors = 32 / kLanes;
  F v[kVectors];
  I top{};  // magnitudes as integers are ordered as the floats are, with infinity and NaN at the end
  for (int i = 0; i < kVectors; ++i) {
    v[i] = load<F>(x + i * kLanes);
    const I magnitude = reinterpret_cast<I>(v[i]) & 0x7fffffff;
    top = magnitude > top ? magnitude : top;
  }
  const int32_t largest_bits = max_of(top);
  if (largest_bits >= 0x7f800000) {
    std::memset(q, 0, 32);
    return {__builtin_nanf(""), {}};
  }
  const float largest = __builtin_bit_cast(float, largest_bits);
  const float d = largest / 127.0f;
  const float inverse = d >= least ? 127.0f / largest : 0.0f;
  I total[2] = {};
  for (int i = 0; i < kVectors; ++i) {
    typedef int8_t B __attribute__((vector_size(MLXR_LANES)));
    const I whole = __builtin_convertvector(round_even(v[i] * inverse), I);
    store(q + i * kLanes, __builtin_convertvector(whole, B));
    total[i * 2 / kVectors] += whole;
  }
  ByteBlock block{inverse == 0.0f ? 0.0f : d, {}};
  for (int i = 0; i < kLanes; ++i) {
    block.sums[0] += total[0][i];
    block.sums[1] += total[1][i];
  }
  return block;
}

// Many blocks at once, where a register has a lane for each: their largest values and sums are found by folding registers into each other,
// which takes a third of the time of one block after the other. Lane i has what quantize_block gives for block i, bit for bit, except the q
// and sums of a block with a NaN or an infinity, which are any numbers.
struct ByteBlocks {
  F d;
  I sums[2];
};
#if MLXR_LANES == 16
inline constexpr int64_t kManyBlocks = 16;

// Lane 4 l + i of the result: the four lanes of part l (of 128 bits) of v[i], added or compared.
template <class Fold>
inline __m512i fold_parts(const __m512i* v, Fold fold) {
  const auto pair = [&](__m512i a, __m512i b) { return fold(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)); };
  const __m512i first = pair(v[0], v[1]), second = pair(v[2], v[3]);
  return fold(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
}

// Lane i of the result: the largest lane of v[i].
inline __m512i largest_of_each(const __m512i* v) {
  const auto larger = [](__m512i a, __m512i b) { return _mm512_max_epi32(a, b); };
  const auto halves = [&](__m512i a, __m512i b) { return larger(_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xee)); };
  __m512i quarters[4];
  for (int i = 0; i < 4; ++i) {
    const __m512i low = halves(v[i], v[i + 4]), high = halves(v[i + 8], v[i + 12]);
    quarters[i] = larger(_mm512_shuffle_i64x2(low, high, 0x88), _mm512_shuffle_i64x2(low, high, 0xdd));
  }
  return fold_parts(quarters, larger);
}

inline ByteBlocks quantize_blocks(const float* x, float least, int8_t* q) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i tops[kManyBlocks];
  for (int b = 0; b < kManyBlocks; ++b)
    tops[b] = _mm512_max_epi32(_mm512_and_si512(load<__m512i>(x + 32 * b), magnitude),
                               _mm512_and_si512(load<__m512i>(x + 32 * b + 16), magnitude));
  const __m512i top = largest_of_each(tops);
  const F largest = reinterpret_cast<F>(top), quotient = largest / 127.0f;
  const __mmask16 is_used = _mm512_cmp_ps_mask(quotient, set1(least), _CMP_GE_OQ);
  const __mmask16 is_bad = _mm512_cmp_epi32_mask(top, _mm512_set1_epi32(0x7f800000), _MM_CMPINT_NLT);
  alignas(64) float inverse[kManyBlocks];
  store(inverse, _mm512_maskz_div_ps(is_used, set1(127.0f), largest));
  const F d = _mm512_mask_mov_ps(_mm512_maskz_mov_ps(is_used, quotient), is_bad, set1(__builtin_nanf("")));

  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i fours[kManyBlocks / 2];  // of two blocks each: the sums of 4 values
  for (int b = 0; b < kManyBlocks; b += 2) {
    __m512i whole[4];
    for (int i = 0; i < 4; ++i) {
      const I bits = reinterpret_cast<I>(plus_whole_base(load<F>(x + 32 * b + 16 * i) * inverse[b + i / 2]));
      whole[i] = (__m512i)(bits - kWholeBaseBits);
    }
    const __m512i packed = _mm512_packs_epi16(_mm512_packs_epi32(whole[0], whole[1]), _mm512_packs_epi32(whole[2], whole[3]));
    const __m512i bytes = _mm512_permutexvar_epi32(in_order, packed);
    store(q + 32 * b, bytes);
    fours[b / 2] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
  }
  const auto add = [](__m512i a, __m512i b) { return _mm512_add_epi32(a, b); };
  const __m512i low = fold_parts(fours, add), high = fold_parts(fours + 4, add);  // lane 4 l + i: half l % 2 of block 2 i + l / 2
  const __m512i halves = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 16, 24, 17, 25, 18, 26, 19, 27);
  return {d,
          {(I)_mm512_permutex2var_epi32(low, halves, high),
           (I)_mm512_permutex2var_epi32(low, _mm512_add_epi32(halves, _mm512_set1_epi32(4)), high)}};
}

// Lane i of v goes to to[i * stride].
inline void put_lanes(void* to, int64_t stride, I v) {
  const __m512i at =
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(int(stride)));
  _mm512_i32scatter_epi32(to, at, (__m512i)v, 4);
}
inline void put_lanes(void* to, int64_t stride, F v) { put_lanes(to, stride, reinterpret_cast<I>(v)); }
#endif

inline void put_lanes(float* to, int64_t, float v) { *to = v; }
inline void put_lanes(int32_t* to, int64_t, int32_t v) { *to = v; }
inline F to_floats(I v) { return __builtin_convertvector(v, F); }
inline float to_floats(int32_t v) { return float(v); }

// The blocks of a row. Calls put(b, d, sums of the first halves, sums of the second halves) for block b, or with lanes for the blocks from
// b on; for some blocks perhaps twice, with the same numbers.
template <class Put>
inline void quantize_row(const float* x, int64_t n_blocks, float least, int8_t* q, Put put) {
  int64_t b = 0;
#if MLXR_LANES == 16
  constexpr int64_t kWorthwhile = 6;  // so many blocks take longer one after the other than kManyBlocks at once
  while (n_blocks >= kManyBlocks && n_blocks - b >= kWorthwhile) {
    const int64_t first = imin(b, n_blocks - kManyBlocks);
    const ByteBlocks blocks = quantize_blocks(x + 32 * first, least, q + 32 * first);
    put(first, blocks.d, blocks.sums[0], blocks.sums[1]);
    b = first + kManyBlocks;
  }
#endif
  for (; b < n_blocks; ++b) {
    const ByteBlock block = quantize_block(x + 32 * b, least, q + 32 * b);
    put(b, block.d, block.sums[0], block.sums[1]);
  }
}

}  // namespace mlxr::kernels::MLXR_ISA
