// The products of one panel with a few tokens: the core of q_gemm and gated_mlp, for one token as for a prompt.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kTileTokens = 8;                    // more sums than that leave the registers
inline constexpr int kPairTokens = kLanes == 8 ? 6 : 8;  // of two panels at once: AVX2 has 16 registers
inline constexpr bool kTakesPairs = kLanes < 16;         // AVX-512 broadcasts as it multiplies: two panels were 10 % slower there

// Prefetches the bytes 4 KiB ahead of p, one instruction for each cache line. It makes the products of a single token 20 to 30 % faster on
// processors whose own prefetcher falls behind (fourth-generation Xeons) and costs nothing measurable on others. With kTileTokens tokens
// the panel is read from the cache anyway, so nothing is prefetched.
template <int T>
inline void fetch_ahead(const uint8_t* p, int64_t bytes) {
  constexpr int64_t kAhead = 4096;
  if constexpr (T < kTileTokens)
    for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(p + kAhead + line);
}

// d[g][i] += for each group g of the panel's quants, the dot product of one part of a block (32 values) with token i of T, x[i * stride …].
template <int T, class P>
__attribute__((always_inline)) inline void part_dots(const uint8_t* panel, int part, const int8_t* x, int64_t stride, I (*d)[T]) {
  constexpr int kGroups = P::kGroups;
  if constexpr (kMatrixDots && T % 2 == 0) {
    PanelBytes vectors[8];
    P::each_vector(panel, part, [&](int j, PanelBytes w) __attribute__((always_inline)) { vectors[j] = w; });
    for (int g = 0; g < kGroups; ++g) matrix_dots<T, 4 / kGroups>(vectors + g * 8 / kGroups, x + g * 16, stride, d[g]);
    return;
  }
  Pairs run[kGroups][T];
  P::each_vector(panel, part, [&](int j, PanelBytes w) __attribute__((always_inline)) {
    const int g = j * kGroups / 8, nth = kGroups == 2 ? j % 4 : j % 4 * 2 + j / 4;  // of its group, in the order of the calls
    for (int i = 0; i < T; ++i) {
      const int32_t four = load<int32_t>(x + i * stride + 4 * j);
      if constexpr (kPairSums && P::kRun > 1) {
        run[g][i] = nth % P::kRun == 0 ? pair_sums(w, four) : run[g][i] + pair_sums(w, four);
        if (nth % P::kRun == P::kRun - 1) d[g][i] = widen_pairs(d[g][i], run[g][i]);
      } else {
        d[g][i] = panel_dot<P::kSigned>(d[g][i], w, four);
      }
    }
  });
}

// out[i] = the panel's rows · token t + i, for T tokens.
//   per 32 values: d = Σ u q in int32 (exact: see simd.inl.h), then  out += d · (scale · dx) + offset · (dx Σ q)
template <int T, class P>
inline void block_product(P, const uint8_t* panel, const Activations& acts, int64_t t, F* out) {
  constexpr int kGroups = P::kGroups;
  const int64_t n_blocks = acts.n_blocks, group = acts.group, k = acts.k;
  const int8_t* q = acts.q + t * k;
  const float* dx = acts.scale + acts.at(t);
  const float* sums = kGroups == 2 ? acts.half_sums + acts.half_at(t) : acts.sums + acts.at(t);
  F total[T] = {};
  for (int64_t b = 0; b < n_blocks;) {
    fetch_ahead<T>(panel, P::kBlockBytes);
    for (int part = 0; part < P::kParts; ++part, ++b) {
      I d[kGroups][T] = {};
      part_dots<T, P>(panel, part, q + 32 * b, k, d);
      const auto scales = P::scales(panel, part);
      for (int g = 0; g < kGroups; ++g) {
        for (int i = 0; i < T; ++i) {
          total[i] += __builtin_convertvector(d[g][i], F) * (scales.scale[g] * dx[b * group + i]);
          if constexpr (P::kCentre != 0 || P::kHasMin) total[i] += scales.offset[g] * sums[(b * kGroups + g) * group + i];
        }
      }
    }
    panel += P::kBlockBytes;
  }
  for (int i = 0; i < T; ++i) out[i] = total[i];
}

// The same for weights that are not in blocks and take `bytes` for each column c: out[i] is the sum over c of add(…, weights(address),
// x[i * count + c]). Few tokens use several partial sums each, because each addition waits for the previous one; a single token uses
// kAlone.
template <int T, int kAlone, class Weights, class X, class Add>
inline void running_product(const uint8_t* panel, int64_t bytes, Weights weights, Add add, int64_t count, const X* x, F* out) {
  constexpr int kSums = T == 1 ? kAlone : T <= 4 ? 2 : 1;
  F total[kSums][T] = {};
  const auto step = [&](int sum, int64_t c) __attribute__((always_inline)) {
    const auto w = weights(panel + c * bytes);
    for (int i = 0; i < T; ++i) total[sum][i] = add(total[sum][i], w, x[i * count + c]);
  };
  int64_t c = 0;
  for (; c + kSums <= count; c += kSums) {
    fetch_ahead<T>(panel + c * bytes, kSums * bytes);
    for (int s = 0; s < kSums; ++s) step(s, c + s);
  }
  for (; c < count; ++c) step(0, c);
  for (int i = 0; i < T; ++i) {
    out[i] = total[0][i];
    for (int s = 1; s < kSums; ++s) out[i] += total[s][i];
  }
}

template <int T, class Weights>
inline void float_product(const uint8_t* panel, int64_t value_bytes, Weights weights, int64_t k, const float* x, F* out) {
  running_product<T, 4>(panel, kLanes * value_bytes, weights, [](F sum, F w, float value) { return sum + w * value; }, k, x, out);
}

// Pairs of bfloat16, and x rounded to it: (T, ceil(k / 2)) words.
template <int T>
inline void pair_product(const uint8_t* panel, int64_t n_pairs, const uint32_t* x, F* out) {
  running_product<T, 6>(
      panel, kVector, [](const void* p) { return load<I>(p); }, [](F sum, I w, uint32_t pair) { return pair_dot(sum, w, pair); }, n_pairs,
      x, out);
}

// The products of two adjacent panels of a float type with kPairTokens tokens: a value of x that was broadcast serves two sums.
template <class LoadWeights>
inline void float_pair(LoadWeights load_weights, int64_t k, const float* x, F* out) {
  F total[2][kPairTokens] = {};
  for (int64_t c = 0; c < k; ++c) {
    const F w0 = load_weights(0, c), w1 = load_weights(1, c);
    for (int i = 0; i < kPairTokens; ++i) {
      const F broadcast = set1(x[i * k + c]);
      total[0][i] += w0 * broadcast;
      total[1][i] += w1 * broadcast;
    }
  }
  for (int p = 0; p < 2; ++p)
    for (int i = 0; i < kPairTokens; ++i) out[p * kTileTokens + i] = total[p][i];
}

inline void panel_pair(uint32_t type, const uint8_t* panel, int64_t size, const float* x, int64_t k, const Activations& acts, int64_t t,
                       F* out) {
  const auto halves = [&](int p, int64_t c) { return reinterpret_cast<const uint16_t*>(panel + p * size) + c * kLanes; };
  switch (static_cast<Type>(type)) {
    case Type::kF16: return float_pair([&](int p, int64_t c) { return load_half(halves(p, c)); }, k, x + t * k, out);
    case Type::kBF16: return float_pair([&](int p, int64_t c) { return load_bfloat(halves(p, c)); }, k, acts.rounded + t * k, out);
    default: return float_pair([&](int p, int64_t c) { return load<F>(panel + p * size + c * kVector); }, k, x + t * k, out);
  }
}

template <int T>
inline void tile(uint32_t type, const uint8_t* panel, const float* x, int64_t k, const Activations& acts, int64_t t, F* out) {
  const float* row = x + t * k;
  switch (static_cast<Type>(type)) {
    case Type::kF32: return float_product<T>(panel, 4, [](const void* p) { return load<F>(p); }, k, row, out);
    case Type::kF16: return float_product<T>(panel, 2, [](const void* p) { return load_half(p); }, k, row, out);
    case Type::kBF16:
      if constexpr (kBf16Pairs) return pair_product<T>(panel, (k + 1) / 2, acts.pairs + t * ((k + 1) / 2), out);
      return float_product<T>(panel, 2, [](const void* p) { return load_bfloat(p); }, k, acts.rounded + t * k, out);
    default: with_panel(type, [&](auto format) { block_product<T>(format, panel, acts, t, out); });
  }
}

// The products of one panel with n tokens, at most kTileTokens.
inline void panel_product(uint32_t type, const uint8_t* panel, const float* x, int64_t k, const Activations& acts, int64_t t, int n,
                          F* out) {
  switch (n) {
    case 1: return tile<1>(type, panel, x, k, acts, t, out);
    case 2: return tile<2>(type, panel, x, k, acts, t, out);
    case 3: return tile<3>(type, panel, x, k, acts, t, out);
    case 4: return tile<4>(type, panel, x, k, acts, t, out);
    case 5: return tile<5>(type, panel, x, k, acts, t, out);
    case 6: return tile<6>(type, panel, x, k, acts, t, out);
    case 7: return tile<7>(type, panel, x, k, acts, t, out);
    default: return tile<8>(type, panel, x, k, acts, t, out);
  }
}

// A matrix as its panels. Made once for an operation, because computing the size takes a division.
struct Panels {
  uint32_t type = 0;
  int64_t n = 0, k = 0, size = 0;
  const uint8_t* first = nullptr;

  Panels() = default;
  explicit Panels(const mlxr_matrix& w)
      : type(w.type), n(w.n), k(w.k), size(panel_size(w.type, w.k)), first(static_cast<const uint8_t*>(w.panels)) {}
  const uint8_t* at(int64_t index) const { return first + index * size; }
};

// How many panels and tokens are multiplied at once.
struct Step {
  int panels = 1, tokens = kTileTokens;
  Step(uint32_t type, int64_t panels_left, int64_t n_tokens) {
    if (kTakesPairs && is_float(type) && panels_left > 1 && n_tokens >= kPairTokens) panels = 2, tokens = kPairTokens;
  }
};

// out[p * kTileTokens + i], i < n: the products of panel index + p with tokens t + i of x, which `a` has in the form that the type takes
// where that is not float32. n is at most step.tokens.
inline void panel_products(const Panels& w, int64_t index, const Step& step, const float* x, const Activations& acts, int64_t t, int n,
                           F* out) {
  if constexpr (kTakesPairs)
    if (step.panels == 2 && n == kPairTokens) return panel_pair(w.type, w.at(index), w.size, x, w.k, acts, t, out);
  for (int p = 0; p < step.panels; ++p) panel_product(w.type, w.at(index + p), x, w.k, acts, t, n, out + p * kTileTokens);
}

}  // namespace mlxr::kernels::MLXR_ISA
