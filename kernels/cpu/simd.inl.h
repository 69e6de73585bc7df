// Vectors of the instruction set that this translation unit is compiled for. The includer defines MLXR_ISA (a namespace, so that two
// variants never share a symbol) and MLXR_LANES (float32 values per vector). Arithmetic uses the compiler's vector types, which GCC and
// Clang share; only operations that they lack (byte dot products, float16) are written per instruction set.
//
// No standard-library templates here: the linker would merge an AVX-512 copy of std::max with everyone else's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && !defined(MLXR_SCALAR)
#define MLXR_NEON 1
#include <arm_neon.h>
#endif

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kLanes = MLXR_LANES;
typedef float F __attribute__((vector_size(4 * MLXR_LANES)));
typedef int32_t I __attribute__((vector_size(4 * MLXR_LANES)));
typedef uint8_t PanelBytes __attribute__((vector_size(4 * MLXR_LANES)));  // 4 values of each of kLanes rows

template <class V>
inline V load(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
inline void store(void* p, V v) {
  std::memcpy(p, &v, sizeof v);
}
inline F set1(float x) { return x - F{}; }
inline I set1(int32_t x) { return x - I{}; }
inline F vmax(F a, F b) { return a > b ? a : b; }
inline F vabs(F a) { return reinterpret_cast<F>(reinterpret_cast<I>(a) & 0x7fffffff); }
inline float smax(float a, float b) { return a > b ? a : b; }
// A number as an argument that is known when a template is compiled.
template <int kNumber>
struct Number {
  static constexpr int kValue = kNumber;
};

constexpr int64_t imin(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t imax(int64_t a, int64_t b) { return a > b ? a : b; }

inline float sum(F v) {
#if MLXR_LANES == 16
  return _mm512_reduce_add_ps(v);
#elif defined(MLXR_NEON)
  return vaddvq_f32((float32x4_t)v);
#else
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
#endif
}
inline float max_of(F v) {
#if defined(MLXR_NEON)
  return vmaxvq_f32((float32x4_t)v);
#else
  float m = v[0];
  for (int i = 1; i < kLanes; ++i) m = smax(m, v[i]);
  return m;
#endif
}
inline int32_t max_of(I v) {
#if MLXR_LANES == 16
  return _mm512_reduce_max_epi32((__m512i)v);
#elif defined(MLXR_NEON)
  return vmaxvq_s32((int32x4_t)v);
#elif defined(__AVX2__)  // GCC compiles the loop below to ten times as many instructions
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
#else
  int32_t m = v[0];
  for (int i = 1; i < kLanes; ++i) m = v[i] > m ? v[i] : m;
  return m;
#endif
}

// x + 2^23 + 2^22, whose bits are kWholeBaseBits + the nearest integer of x, ties to even, for |x| < 2^22. The empty assembly keeps the
// compiler from fusing the product that made x with the addition, which would round other numbers up in one variant than in another.
inline constexpr float kWholeBase = 12582912.0f;
inline constexpr int32_t kWholeBaseBits = 0x4b400000;
inline F plus_whole_base(F x) {
#if defined(__x86_64__)
  asm("" : "+v"(x));
#else
  asm("" : "+w"(x));
#endif
  return x + kWholeBase;
}
inline F round_even(F x) { return plus_whole_base(x) - kWholeBase; }

// ---- float16 and bfloat16
#if defined(__F16C__)
inline float half(uint16_t h) { return _cvtsh_ss(h); }
inline uint16_t to_half(float x) { return uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)); }
#elif defined(MLXR_NEON)
inline float half(uint16_t h) { return float(__builtin_bit_cast(__fp16, h)); }
inline uint16_t to_half(float x) { return __builtin_bit_cast(uint16_t, __fp16(x)); }
#else
inline float half(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) return __builtin_bit_cast(float, sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  // A float with half's exponent bits in place is the value times 2^-112, denormals included.
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude << 13) * 0x1p112f));
}
inline uint16_t to_half(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return uint16_t(sign | 0x7e00);  // NaN
  if (magnitude >= 0x477ff000) return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // denormal: adding 0.5 leaves the rounded result in the low bits
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
    return uint16_t(sign | (__builtin_bit_cast(uint32_t, shifted) - 0x3f000000));
  }
  return uint16_t(sign | ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13));
}
#endif

inline F load_half(const void* p) {
#if MLXR_LANES == 16
  return _mm512_cvtph_ps(load<__m256i>(p));
#elif MLXR_LANES == 8
  return _mm256_cvtph_ps(load<__m128i>(p));
#elif defined(MLXR_NEON)
  return (F)vcvt_f32_f16(vreinterpret_f16_u16(load<uint16x4_t>(p)));
#else
  F v{};
  for (int i = 0; i < kLanes; ++i) v[i] = half(static_cast<const uint16_t*>(p)[i]);
  return v;
#endif
}
// kLanes floats as float16.
inline void store_half(void* p, F v) {
#if MLXR_LANES == 16
  store(p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
#elif MLXR_LANES == 8
  store(p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(MLXR_NEON)
  store(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)v)));
#else
  for (int i = 0; i < kLanes; ++i) static_cast<uint16_t*>(p)[i] = to_half(v[i]);
#endif
}
inline float bfloat(uint16_t b) { return __builtin_bit_cast(float, uint32_t(b) << 16); }
inline F load_bfloat(const void* p) {
#if MLXR_LANES == 16
  return reinterpret_cast<F>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load<__m256i>(p)), 16));
#elif MLXR_LANES == 8
  return reinterpret_cast<F>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load<__m128i>(p)), 16));
#elif defined(MLXR_NEON)
  return (F)vshll_n_u16(load<uint16x4_t>(p), 16);
#else
  typedef uint16_t H __attribute__((vector_size(2 * MLXR_LANES)));
  typedef uint32_t U __attribute__((vector_size(4 * MLXR_LANES)));
  return reinterpret_cast<F>(__builtin_convertvector(load<H>(p), U) << 16);
#endif
}

// ---- Dot products of bfloat16 pairs: every float of `acc` grows by the two products of its own word. The sums are float32.
#if defined(__AVX512BF16__)
inline constexpr bool kBf16Pairs = true;
inline F pair_dot(F acc, I w, uint32_t x) {
  return (F)_mm512_dpbf16_ps((__m512)acc, (__m512bh)(__m512i)w, (__m512bh)_mm512_set1_epi32(int32_t(x)));
}
// 2 * kLanes floats as kLanes words.
inline I to_pairs(const float* x) { return (I)(__m512i)_mm512_cvtne2ps_pbh(load<__m512>(x + kLanes), load<__m512>(x)); }
#else
inline constexpr bool kBf16Pairs = false;
inline F pair_dot(F acc, I, uint32_t) { return acc; }
inline I to_pairs(const float*) { return I{}; }
#endif
// The nearest bfloat16, ties to even.
inline F round_bfloat(F x) {
  const I bits = reinterpret_cast<I>(x);
  const F rounded = reinterpret_cast<F>((bits + 0x7fff + (bits >> 16 & 1)) & ~0xffff);
  return x == x ? rounded : x;
}

// kLanes bytes as numbers; Byte is int8_t or uint8_t. (GCC 12 compiles __builtin_convertvector of bytes to one move per byte.)
template <class Byte>
inline I load_words(const void* p) {
#if MLXR_LANES == 16
  const __m128i b = load<__m128i>(p);
  return (I)(Byte(-1) < 0 ? _mm512_cvtepi8_epi32(b) : _mm512_cvtepu8_epi32(b));
#elif MLXR_LANES == 8
  const __m128i b = _mm_loadl_epi64(static_cast<const __m128i*>(p));
  return (I)(Byte(-1) < 0 ? _mm256_cvtepi8_epi32(b) : _mm256_cvtepu8_epi32(b));
#elif defined(MLXR_NEON)
  const uint32x2_t word = vdup_n_u32(load<uint32_t>(p));
  if constexpr (Byte(-1) < 0) return (I)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(word))));
  return (I)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(word))));
#else
  I v{};
  for (int i = 0; i < kLanes; ++i) v[i] = static_cast<const Byte*>(p)[i];
  return v;
#endif
}
template <class Byte>
inline F load_bytes(const void* p) {
  return __builtin_convertvector(load_words<Byte>(p), F);
}

// Half of kLanes powers of two, bytes e that stand for 2^(e - 127) (E8M0). The larger one of two numbers of bits is that of a float with
// exponent e - 1, or, for e of 0 and 1, that of a subnormal.
inline F load_half_e8m0(const void* p) {
  const I e = load_words<uint8_t>(p), normal = (e - 1) << 23, subnormal = (e + 1) << 21;
  return reinterpret_cast<F>(normal > subnormal ? normal : subnormal);
}

// kLanes floats of 4 exponent bits with a bias of 7, 3 fraction bits and no sign (E4M3, without NaN). The same bits are those of a float16
// with a bias of 15.
inline F load_e4m3(const void* p) {
  constexpr float kBias = 256.0f;
#if MLXR_LANES == 16
  return (F)_mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(load<__m128i>(p)), 7)) * kBias;
#elif MLXR_LANES == 8
  return (F)_mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64(static_cast<const __m128i*>(p))), 7)) * kBias;
#elif defined(MLXR_NEON)
  const uint16x4_t words = vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(load<uint32_t>(p)))));
  return (F)vcvt_f32_f16(vreinterpret_f16_u16(vshl_n_u16(words, 7))) * kBias;
#else
  F v{};
  for (int i = 0; i < kLanes; ++i) v[i] = half(uint16_t(static_cast<const uint8_t*>(p)[i] << 7));
  return v * kBias;
#endif
}

// The bytes of a table of 16 that have these indices, all less than 16.
inline PanelBytes look_up(const uint8_t* table, PanelBytes indices) {
#if MLXR_LANES == 16
  return (PanelBytes)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(load<__m128i>(table)), (__m512i)indices);
#elif MLXR_LANES == 8
  return (PanelBytes)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load<__m128i>(table)), (__m256i)indices);
#elif defined(MLXR_NEON)
  return (PanelBytes)vqtbl1q_u8(load<uint8x16_t>(table), (uint8x16_t)indices);
#else
  for (int i = 0; i < 4 * kLanes; ++i) indices[i] = table[indices[i]];
  return indices;
#endif
}

// ---- Dot products of bytes: every int32 lane of `acc` grows by the product of its own 4 byte pairs.
// x is in [-127, 127]. The weight operand is unsigned: at most 127 (kSigned false), so that a pair sum is at most 2 * 127 * 127 = 32258
// and never saturates int16; or a signed byte (kSigned true), whose magnitude is at most 128: 2 * 128 * 127 = 32512 < 32768. VNNI adds in
// int32 and takes all of [0, 255]; there Q8_0 is stored with an offset of kQ8Zero. A block adds 32 products: at most 32 * 255 * 127 =
// 1036320 < 2^24, so that its float32 is exact too.
#if defined(__AVX512VNNI__)
inline constexpr int kQ8Zero = 128;
#else
inline constexpr int kQ8Zero = 0;
#endif

// Integer sums begin at kSumBase, so that add_scaled() takes few instructions: add_scaled(total, kSumBase + d, scale, base_of(scale), dx)
// is total + d * scale * dx for |d| < 2^22. On AVX-512 the bits of kSumBase + d are those of the float kWholeBase + d, and the
// multiplication by scale subtracts the base. That is exact where scale has at most 22 significant bits; the scales of all formats have
// (float16 times 7 bits), and where scale is less than 2^104, as those of weights are that anything was trained with.
#if MLXR_LANES == 16
inline constexpr int32_t kSumBase = kWholeBaseBits;
inline F base_of(F scale) { return -kWholeBase * scale; }
inline F add_scaled(F total, I sum, F scale, F base, float dx) {
  return total + _mm512_fmadd_ps(reinterpret_cast<F>(sum), scale, base) * dx;
}
#else
inline constexpr int32_t kSumBase = 0;
inline F base_of(F) { return F{}; }
inline F add_scaled(F total, I sum, F scale, F, float dx) { return total + __builtin_convertvector(sum, F) * (scale * dx); }
#endif

#if defined(__AVX512VNNI__)
template <bool>
inline I panel_dot(I acc, PanelBytes w, int32_t x) {
  return (I)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, _mm512_set1_epi32(x));
}
#elif defined(__AVX2__)
template <bool kSigned>
inline I panel_dot(I acc, PanelBytes w, int32_t x) {
  __m256i a = (__m256i)w, b = _mm256_set1_epi32(x);
  if constexpr (kSigned) {
    b = _mm256_sign_epi8(b, a);
    a = _mm256_abs_epi8(a);
  }
  return acc + (I)_mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
}
#elif defined(MLXR_NEON)
inline int32x4_t dot16(int32x4_t acc, int8x16_t w, int8x16_t x) {
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(acc, w, x);
#else
  return vpadalq_s16(acc, vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x)));
#endif
}
template <bool>
inline I panel_dot(I acc, PanelBytes w, int32_t x) {
  return (I)dot16((int32x4_t)acc, (int8x16_t)w, vreinterpretq_s8_s32(vdupq_n_s32(x)));
}
#else
template <bool>
inline I panel_dot(I acc, PanelBytes w, int32_t x) {
  for (int i = 0; i < 4 * kLanes; ++i) acc[i / 4] += int8_t(w[i]) * int8_t(uint32_t(x) >> (8 * (i & 3)));
  return acc;
}
#endif

// The same for T tokens, an even number, and kSteps times 8 values: d[i] += 4 rows · x[i * stride …]. SMMLA multiplies 2 rows of 8 values
// by 2 tokens of 8, so that two vectors of a panel are zipped to 2 rows each, and the sums unzipped to a vector for each token.
#if defined(__ARM_FEATURE_MATMUL_INT8) && defined(MLXR_NEON)
inline constexpr bool kMatrixDots = true;
template <int T, int kSteps>
inline void matrix_dots(const PanelBytes* w, const int8_t* x, int64_t stride, I* d) {
  int32x4_t sums[T / 2][2] = {};
#pragma GCC unroll 4
  for (int s = 0; s < kSteps; ++s) {
    const auto a = (int32x4_t)w[2 * s], b = (int32x4_t)w[2 * s + 1];
    const auto rows01 = (int8x16_t)vzip1q_s32(a, b), rows23 = (int8x16_t)vzip2q_s32(a, b);
    for (int p = 0; p < T / 2; ++p) {
      const int8_t* token = x + 2 * p * stride + 8 * s;
      const int8x16_t tokens = vcombine_s8(load<int8x8_t>(token), load<int8x8_t>(token + stride));
      sums[p][0] = vmmlaq_s32(sums[p][0], rows01, tokens);  // row 0 · token 0, row 0 · token 1, row 1 · token 0, row 1 · token 1
      sums[p][1] = vmmlaq_s32(sums[p][1], rows23, tokens);
    }
  }
  for (int p = 0; p < T / 2; ++p) {
    d[2 * p] += (I)vuzp1q_s32(sums[p][0], sums[p][1]);
    d[2 * p + 1] += (I)vuzp2q_s32(sums[p][0], sums[p][1]);
  }
}
#else
inline constexpr bool kMatrixDots = false;
template <int T, int kSteps>
inline void matrix_dots(const PanelBytes*, const int8_t*, int64_t, I*) {}
#endif

// Sums of byte pairs in int16, where that saves instructions: a few of them (Panel::kRun) may be added before they are widened.
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
inline constexpr bool kPairSums = true;
typedef int16_t Pairs __attribute__((vector_size(32)));
inline Pairs pair_sums(PanelBytes w, int32_t x) { return (Pairs)_mm256_maddubs_epi16((__m256i)w, _mm256_set1_epi32(x)); }
inline I widen_pairs(I acc, Pairs p) { return acc + (I)_mm256_madd_epi16((__m256i)p, _mm256_set1_epi16(1)); }
#else
inline constexpr bool kPairSums = false;
typedef I Pairs;
inline Pairs pair_sums(PanelBytes, int32_t) { return Pairs{}; }
inline I widen_pairs(I acc, Pairs) { return acc; }
#endif

// The first `count` values at p; all of them nearly always.
inline F load_some(const float* p, int count) {
  if (count == kLanes) return load<F>(p);
  F v{};
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
inline void store_some(float* p, F v, int count) {
  if (count == kLanes) return store(p, v);
  for (int i = 0; i < count; ++i) p[i] = v[i];
}

// ---- exp, tanh and erf
// e^x within 2 ulp (relative error below 2.4e-7) for x in [-87.3, 88.7]; exactly 0 below, infinity above; NaN stays NaN.
inline F vexp(F x) {
  const F low = set1(-87.33654f), high = set1(88.72283f);
#if MLXR_LANES == 16
  const F clamped = _mm512_max_ps(low - 1.0f, _mm512_min_ps(high + 1.0f, x));  // a NaN is the second operand, which both give back
#else
  F clamped = x < low ? low : x;
  clamped = clamped > high ? high : clamped;
#endif
  const F n = round_even(clamped * 1.44269504f);
  const F r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  F p = set1(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
#if MLXR_LANES == 16
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, low, _CMP_NLT_UQ), p, n);
#else
  // 2^n in two factors, as n may be 128.
  const I whole = __builtin_convertvector(n, I), part = whole >> 1;
  const F scaled = p * reinterpret_cast<F>((part + 127) << 23) * reinterpret_cast<F>((whole - part + 127) << 23);
  const F zero{}, infinite = set1(INFINITY);
  const F flushed = x < low ? zero : scaled;
  return x > high ? infinite : flushed;
#endif
}
// Absolute error below 5e-7.
inline F vtanh(F x) {
  const F e = vexp(-2.0f * vabs(x));
  const F t = (1.0f - e) / (1.0f + e);
  return x < F{} ? -t : t;
}
// Absolute error below 5e-7 (Abramowitz and Stegun 1964, 7.1.26).
inline F verf(F x) {
  const F magnitude = vabs(x), t = 1.0f / (1.0f + 0.3275911f * magnitude);
  F p = set1(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const F y = 1.0f - p * t * vexp(-x * x);
  return x < F{} ? -y : y;
}

}  // namespace mlxr::kernels::MLXR_ISA
