// The activations of one operation in the forms in which integer and bfloat16 products take them.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// Which forms of x the matrices of an operation take, besides x itself.
struct ActivationForms {
  bool bytes = false, bfloats = false, sums[2] = {}, starts[kCentres] = {};

  ActivationForms() = default;
  explicit ActivationForms(uint32_t type) { add(type); }
  void add(uint32_t type) {
    bfloats |= static_cast<Type>(type) == Type::kBF16;
    with_panel(type, [&](auto format) {
      using P = decltype(format);
      bytes = true;
      if constexpr (P::kHasMin) sums[P::kGroups - 1] = true;
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
  // dx * the sum of the q that share a minimum of the weights, for formats that have one: (n_groups, n_blocks, group) of blocks, and
  // (n_groups, 2 * n_blocks, group) of half blocks
  float* sums[2] = {};
  // Where the integer sums of a format with a centre begin: kSumBase - centre * the sum of the q that share a scale of the weights;
  // (n_groups, kGroups * n_blocks, group) for each centre.
  int32_t* starts[kCentres] = {};
  // Rounded to bfloat16: as pairs where the processor multiplies pairs, else as float32.
  uint32_t* pairs = nullptr;  // (n_tokens, ceil(k / 2))
  float* rounded = nullptr;   // (n_tokens, k)

  // bfloat16 has room for a whole last group, whose rows tiles read without using them (tiles.inl.h).
  static size_t size(int64_t n_tokens, int64_t k, const ActivationForms& forms) {
    int64_t values = 1 + forms.sums[0] + 2 * forms.sums[1];  // of a block
    for (int c = 0; c < kCentres; ++c) values += forms.starts[c] * (c < kHalves ? 1 : 2);
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
      for (int i = 0; i < 2; ++i)
        if (forms.sums[i]) sums[i] = reinterpret_cast<float*>(take((i + 1) * bytes));
      for (int c = 0; c < kCentres; ++c)
        if (forms.starts[c]) starts[c] = reinterpret_cast<int32_t*>(take(c < kHalves ? bytes : 2 * bytes));
    }
    if (forms.bfloats) (kBf16Pairs ? reinterpret_cast<void*&>(pairs) : reinterpret_cast<void*&>(rounded)) = p;
  }

  // Where the first block (half block) of a token lies in `scale`, `sums` and `starts`; the next is `group` further.
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
    constexpr float kLeastScale = 1e-37f;
    quantize_row(x + token * k, n_blocks, kLeastScale, q + token * k, [&](int64_t b, auto d, auto first_sum, auto second_sum) {
      const int64_t to = at(token) + b * group;
      const auto sum = first_sum + second_sum;
      put_lanes(scale + to, group, d);
      if (sums[0]) put_lanes(sums[0] + to, group, d * to_floats(sum));
      for (int c = 0; c < kHalves; ++c)
        if (starts[c]) put_lanes(starts[c] + to, group, kSumBase - kCentreOf[c] * sum);
      const int64_t first = half_at(token) + 2 * b * group, second = first + group;
      if (sums[1]) {
        put_lanes(sums[1] + first, 2 * group, d * to_floats(first_sum));
        put_lanes(sums[1] + second, 2 * group, d * to_floats(second_sum));
      }
      for (int c = kHalves; c < kCentres; ++c) {
        if (!starts[c]) continue;
        put_lanes(starts[c] + first, 2 * group, kSumBase - kCentreOf[c] * first_sum);
        put_lanes(starts[c] + second, 2 * group, kSumBase - kCentreOf[c] * second_sum);
      }
    });
  }
};

}  // namespace mlxr::kernels::MLXR_ISA
