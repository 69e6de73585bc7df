// The activations of one operation in the forms in which integer and bfloat16 products take them.
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

// Which forms of x the matrices of an operation take, besides x itself.
struct ActivationForms {
  bool bytes = false, bfloats = false, sums = false, starts[kCentres] = {};

  ActivationForms() = default;
  explicit ActivationForms(uint32_t type) { add(type); }
  void add(uint32_t type) {
    bfloats |= static_cast<Type>(type) == Type::kBF16;
    with_panel(type, [&](auto format) {
      using P = decltype(format);
      bytes = true;
      if constexpr (P::kHasMin) sums = true;
      if constexpr (P::kCentre != 0) starts[P::kCentreIndex] = true;
    });
  }
};

struct Activations {
  int64_t n_tokens = 0, k = 0, n_blocks = 0;  // n_blocks of 32: 0 without bytes
  // As int8, per token and block of 32: x ≈ dx * q, symmetric, q in [-127, 127]. What belongs to a block is stored in groups of at most
  // kGroup tokens (the first token of a group is a multiple of kGroup), block by block: the values of one block for all tokens of a group
  // are neighbours, because they are used together.
  static constexpr int64_t kGroup = 16;
  int64_t group = 0;       // kGroup, or n_tokens where that is less
  int8_t* q = nullptr;     // (n_tokens, k)
  float* scale = nullptr;  // (n_groups, n_blocks, group): dx
  float* sums = nullptr;   // (n_groups, n_blocks, group): dx * the sum of a block's q, for formats with a minimum
  // Where the integer sums of a format with a centre begin: kSumBase - centre * the sum of the q that share a scale of the weights;
  // (n_groups, kGroups * n_blocks, group) for each centre.
  int32_t* starts[kCentres] = {};
  // Rounded to bfloat16: as pairs where the processor multiplies pairs, else as float32.
  uint32_t* pairs = nullptr;  // (n_tokens, ceil(k / 2))
  float* rounded = nullptr;   // (n_tokens, k)

  // bfloat16 has room for a whole last group, whose rows tiles read without using them (tiles.inl.h).
  static size_t size(int64_t n_tokens, int64_t k, const ActivationForms& forms) {
    int64_t values = 1 + forms.sums;  // of a block
    for (int c = 0; c < kCentres; ++c) values += forms.starts[c] * (c == kHalves ? 2 : 1);
    const int64_t bytes = n_tokens * k + (n_tokens + kGroup) * (k / 32) * values * 4, bfloats = (n_tokens + kGroup) * (k + 1) * 4;
    return size_t((forms.bytes ? bytes : 0) + (forms.bfloats ? bfloats : 0)) + 256;
  }

  Activations() = default;
  Activations(void* memory, int64_t tokens, int64_t columns, const ActivationForms& forms) : n_tokens(tokens), k(columns) {
    auto* p = static_cast<uint8_t*>(memory);
    if (forms.bytes) {
      n_blocks = k / 32;
      group = imin(kGroup, n_tokens);
      q = reinterpret_cast<int8_t*>(p);
      p += (n_tokens * k + 63) / 64 * 64;
      const int64_t bytes = (n_tokens + group - 1) / group * group * n_blocks * 4;
      const auto take = [&](int64_t size) {
        p += size;
        return p - size;
      };
      scale = reinterpret_cast<float*>(take(bytes));
      if (forms.sums) sums = reinterpret_cast<float*>(take(bytes));
      for (int c = 0; c < kCentres; ++c)
        if (forms.starts[c]) starts[c] = reinterpret_cast<int32_t*>(take(c == kHalves ? 2 * bytes : bytes));
    }
    if (forms.bfloats) (kBf16Pairs ? reinterpret_cast<void*&>(pairs) : reinterpret_cast<void*&>(rounded)) = p;
  }

  // Where the first block (half block) of a token lies in `scale`, `sums` and `starts` (of halves); the next is `group` further.
  int64_t at(int64_t token) const { return token / group * n_blocks * group + token % group; }
  int64_t half_at(int64_t token) const { return token / group * 2 * n_blocks * group + token % group; }

  void round(const float* x, int64_t token) {
    const int64_t n_pairs = (k + 1) / 2;
    for (int64_t i = 0; i < k; i += 2 * kLanes) {
      const int64_t count = imin(2 * kLanes, k - i);
      float values[2 * kLanes] = {};
      std::memcpy(values, x + token * k + i, size_t(count) * 4);
      if constexpr (kBf16Pairs) {
        const I words = to_pairs(values);
        std::memcpy(pairs + token * n_pairs + i / 2, &words, size_t((count + 1) / 2) * 4);
      } else {
        for (int j = 0; j < 2 * kLanes; j += kLanes) store(values + j, round_bfloat(load<F>(values + j)));
        std::memcpy(rounded + token * k + i, values, size_t(count) * 4);
      }
    }
  }

  void quantize(const float* x, int64_t token) {
    for (int64_t b = 0, to = at(token), half_to = half_at(token); b < n_blocks; ++b, to += group, half_to += 2 * group) {
      const ByteBlock block = quantize_block(x + token * k + 32 * b, 1e-37f, q + token * k + 32 * b);
      const int32_t sum = block.sums[0] + block.sums[1];
      scale[to] = block.d;
      if (sums) sums[to] = block.d * float(sum);
      for (int c = 0; c < kHalves; ++c)
        if (starts[c]) starts[c][to] = kSumBase - kCentreOf[c] * sum;
      if (starts[kHalves]) {
        starts[kHalves][half_to] = kSumBase - kCentreOf[kHalves] * block.sums[0];
        starts[kHalves][half_to + group] = kSumBase - kCentreOf[kHalves] * block.sums[1];
      }
    }
  }
};

}  // namespace mlxr::kernels::MLXR_ISA
