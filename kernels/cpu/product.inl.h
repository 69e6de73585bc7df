// The products of one panel with a few tokens: the core of q_gemm and gated_mlp, for one token as for a prompt.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kTileTokens = 8;                    // more sums than that leave the registers
inline constexpr int kPairTokens = kLanes == 8 ? 6 : 8;  // of two panels at once: AVX2 has 16 registers
inline constexpr bool kTakesPairs = kLanes < 16;         // AVX-512 broadcasts as it multiplies: two panels were 10 % slower there

// Prefetches the `bytes` at p, one instruction for each cache line; what is kFetchAhead further in the panels. It makes the products of a
// few tokens 20 to 50 % faster where weights come from memory. Only the first tile of a prompt reads them from there: for the others
// kFetch is false.
inline constexpr int64_t kFetchAhead = 4096;
template <bool kFetch>
inline void fetch_ahead(const uint8_t* p, int64_t bytes) {
  if constexpr (kFetch)
    for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(p + line);
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

// What a token's sums of integers begin with; the start of group g of block b for token i is at [(kGroups * b + g) * group + i].
template <class P>
inline const int32_t* starts_of(const Activations& acts, int64_t t) {
  if constexpr (P::kCentre == 0) return nullptr;
  return acts.starts[P::kCentreIndex] + (P::kGroups == 2 ? acts.half_at(t) : acts.at(t));
}

// What a minimum is multiplied by, laid out as starts_of; anything for a format without one.
template <class P>
inline const float* sums_of(const Activations& acts, int64_t t) {
  if constexpr (!P::kHasMin) return acts.scale + acts.at(t);
  return acts.sums[P::kGroups - 1] + (P::kGroups == 2 ? acts.half_at(t) : acts.at(t));
}
// The row of sums_of for group g of block b.
template <class P>
inline int64_t sum_row(int64_t b, int g) {
  return P::kHasMin ? P::kGroups * b + g : b;
}

// The sum of a row so far, with another block: d (begun with its start) times the block's scale, in float32, times dx; and a minimum.
template <class P>
__attribute__((always_inline)) inline F add_block(F total, I d, F scale, F base, F offset, float dx, float sum) {
  total = add_scaled(total, d, scale, base, dx);
  if constexpr (P::kHasMin) total += offset * sum;
  return total;
}

// Where two times T * kPanels sums fit the registers (AVX-512): out[p * kTileTokens + i] = the rows of panel p · token t + i, for kPanels
// panels, `size` bytes apart. Each dot product waits for the previous one of its sum. The sums of the previous group of values are added
// to the totals meanwhile, which the processor would not find by itself so far ahead. Several panels make more sums of few tokens.
template <int T, int kPanels, bool kFetch, class P>
inline void piped_product(P, const uint8_t* panel, int64_t size, const Activations& acts, int64_t t, F* out) {
  constexpr int kGroups = P::kGroups, kSteps = 8 / kGroups, kSums = T * kPanels;
  const int64_t n_blocks = acts.n_blocks, group = acts.group, k = acts.k;
  const int8_t* q = acts.q + t * k;
  const float* dx = acts.scale + acts.at(t);
  const float* sums = sums_of<P>(acts, t);
  const int32_t* starts = starts_of<P>(acts, t);

  F total[kPanels][T] = {};
  I last[kPanels][T];  // at first sums of zero, with scales of zero
  for (int n = 0; n < kSums; ++n) last[n / T][n % T] = set1(kSumBase);
  F scale[kPanels] = {}, base[kPanels] = {}, offset[kPanels] = {};
  const float *last_dx = dx, *last_sums = sums;
  const auto add_last = [&](int n) __attribute__((always_inline)) {
    const int p = n / T, i = n % T;
    total[p][i] = add_block<P>(total[p][i], last[p][i], scale[p], base[p], offset[p], last_dx[i], last_sums[i]);
  };

  // Panels are streams that go on in the panels after these: each is fetched ahead by its share of the distance, a part at a time.
  constexpr int64_t kPartBytes = P::kBlockBytes / P::kParts;
  constexpr int64_t kShare = kPanels == 1 ? kFetchAhead : imax(kFetchAhead / kPanels, 2 * P::kBlockBytes);
  const int64_t near = size < kShare ? kPanels * size : kShare, far = size < kShare ? near : kShare + (kPanels - 1) * size;
  int64_t at = 0;
  for (int64_t b = 0; b < n_blocks; at += P::kBlockBytes) {
    const uint8_t* const block = panel + at;
    const uint8_t* const ahead = block + (kPanels == 1 ? kFetchAhead : at < size - kShare ? near : far);
    for (int part = 0; part < P::kParts; ++part, ++b) {
      for (int p = 0; p < kPanels; ++p) fetch_ahead<kFetch>(ahead + p * size + part * kPartBytes, kPartBytes);
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        I d[kPanels][T];
        for (int i = 0; i < T; ++i) {
          const I start = set1(P::kCentre != 0 ? starts[(kGroups * b + g) * group + i] : kSumBase);
          for (int p = 0; p < kPanels; ++p) d[p][i] = start;
        }
#pragma GCC unroll 8
        for (int step = 0; step < kSteps; ++step) {
          const int j = kGroups == 2 ? 4 * g + step : step / 2 + step % 2 * 4;  // two in turn use the same word of the panel
          PanelBytes w[kPanels];
          for (int p = 0; p < kPanels; ++p) w[p] = P::vector(block + p * size, part, j);
          for (int i = 0; i < T; ++i) {
            const int32_t four = load<int32_t>(q + i * k + 32 * b + 4 * j);
            for (int p = 0; p < kPanels; ++p) d[p][i] = panel_dot<false>(d[p][i], w[p], four);
          }
          for (int n = step * kSums / kSteps; n < (step + 1) * kSums / kSteps; ++n) add_last(n);
        }
        for (int p = 0; p < kPanels; ++p) {
          const auto scales = P::scales(block + p * size, part);
          scale[p] = scales.scale[g];
          base[p] = base_of(scale[p]);
          offset[p] = scales.offset[g];
          for (int i = 0; i < T; ++i) last[p][i] = d[p][i];
        }
        last_dx = dx + b * group;
        last_sums = sums + sum_row<P>(b, g) * group;
      }
    }
  }
  for (int n = 0; n < kSums; ++n) {
    add_last(n);
    out[n / T * kTileTokens + n % T] = total[n / T][n % T];
  }
}

// out[i] = the panel's rows · token t + i, for T tokens.
//   per 32 values: d = Σ (u - centre) q in int32 (exact: see simd.inl.h), then  out += d · scale · dx + offset · (dx Σ q)
template <int T, bool kFetch, class P>
inline void block_product(P, const uint8_t* panel, const Activations& acts, int64_t t, F* out) {
  if constexpr (kLanes == 16) return piped_product<T, 1, kFetch>(P{}, panel, 0, acts, t, out);
  constexpr int kGroups = P::kGroups;
  const int64_t n_blocks = acts.n_blocks, group = acts.group, k = acts.k;
  const int8_t* q = acts.q + t * k;
  const float* dx = acts.scale + acts.at(t);
  const float* sums = sums_of<P>(acts, t);
  const int32_t* starts = starts_of<P>(acts, t);
  F total[T] = {};
  for (int64_t b = 0; b < n_blocks;) {
    fetch_ahead<kFetch>(panel + kFetchAhead, P::kBlockBytes);
    for (int part = 0; part < P::kParts; ++part, ++b) {
      I d[kGroups][T] = {};
      for (int g = 0; P::kCentre != 0 && g < kGroups; ++g)
        for (int i = 0; i < T; ++i) d[g][i] = set1(starts[(kGroups * b + g) * group + i]);
      part_dots<T, P>(panel, part, q + 32 * b, k, d);
      const auto scales = P::scales(panel, part);
      for (int g = 0; g < kGroups; ++g)
        for (int i = 0; i < T; ++i)
          total[i] = add_block<P>(total[i], d[g][i], scales.scale[g], F{}, scales.offset[g], dx[b * group + i],
                                  sums[sum_row<P>(b, g) * group + i]);
    }
    panel += P::kBlockBytes;
  }
  for (int i = 0; i < T; ++i) out[i] = total[i];
}

// Weights that are not in blocks: the columns of a row are added up in parts, and then the parts in order. How they are cut depends on the
// number of columns alone, so that a token's sums are the same ones beside any number of others. Few tokens take several parts at once,
// because each addition waits for the previous one; many take one part after the other, with one sum each.
inline constexpr int64_t kShortRow = 256;  // columns that are one part: a head's keys (see attention.inl.h, multiply_few)
template <int kParts, int kBytes>          // kBytes: of a column
struct Parts {
  static constexpr int64_t kLine = kBytes < 64 ? 64 / kBytes : 1;  // columns in a cache line
  int64_t count, each;                                             // columns; of a part, the last of which has the rest too

  explicit Parts(int64_t columns) : count(columns), each(columns / (kParts * kLine) * kLine) {}
  int64_t begin(int part) const { return part * each; }
  int64_t end(int part) const { return part == kParts - 1 ? count : (part + 1) * each; }
};

// out[i] is the sum over the columns c of add(…, weights(address), x[i * count + c]).
template <int T, bool kFetch, int kParts, int kBytes, class Weights, class X, class Add>
inline void sum_parts(const uint8_t* panel, Weights weights, Add add, int64_t count, const X* x, F* out) {
  using Cut = Parts<kParts, kBytes>;
  constexpr int kAtOnce = T == 1 ? kParts : kParts == 1 || T > 4 ? 1 : T == 2 ? kParts / 2 : 2;
  static_assert(kParts % kAtOnce == 0);
  const Cut cut(count);
  // Parts that are read at once are streams that go on in the next panel, and each is fetched ahead by its share of the distance.
  const int64_t part_bytes = cut.each * kBytes, share = kFetchAhead / kAtOnce;
  const bool is_short = part_bytes < share;  // then what lies ahead is the next panels, whole
  const int64_t turn = is_short ? cut.each : (part_bytes - share) / kBytes;
  const int64_t near = is_short ? kFetchAhead : share, far = share + (kAtOnce - 1) * part_bytes;
  for (int first = 0; first < kParts; first += kAtOnce) {
    F total[kAtOnce][T] = {};
    const auto step = [&](int s, int64_t c) __attribute__((always_inline)) {
      const auto w = weights(panel + c * kBytes);
      for (int i = 0; i < T; ++i) total[s][i] = add(total[s][i], w, x[i * count + c]);
    };
    if constexpr (!kFetch) {
      static_assert(kAtOnce == 1);
      for (int64_t c = cut.begin(first); c < cut.end(first); ++c) step(0, c);
    }
    for (int64_t c = 0; kFetch && c < cut.each; c += Cut::kLine) {
      for (int s = 0; s < kAtOnce; ++s) {
        const int64_t column = cut.begin(first + s) + c;
        fetch_ahead<kFetch>(panel + column * kBytes + (c < turn ? near : far), kBytes * Cut::kLine);
#pragma GCC unroll 8
        for (int64_t i = 0; i < Cut::kLine; ++i) step(s, column + i);
      }
    }
    if (kFetch && first + kAtOnce == kParts)
      for (int64_t c = kParts * cut.each; c < count; ++c) step(kAtOnce - 1, c);
    for (int i = 0; i < T; ++i)
      for (int s = 0; s < kAtOnce; ++s) out[i] = first + s == 0 ? total[s][i] : out[i] + total[s][i];
  }
}

template <int T, bool kFetch, int kParts, int kBytes, class Weights, class X, class Add>
inline void running_product(const uint8_t* panel, Weights weights, Add add, int64_t count, const X* x, F* out) {
  if (count <= kShortRow) return sum_parts<T, kFetch, 1, kBytes>(panel, weights, add, count, x, out);
  sum_parts<T, kFetch, kParts, kBytes>(panel, weights, add, count, x, out);
}

inline constexpr int kFloatParts = 4, kPairParts = 6;

template <int T, bool kFetch, int kValueBytes, class Weights>
inline void float_product(const uint8_t* panel, Weights weights, int64_t k, const float* x, F* out) {
  running_product<T, kFetch, kFloatParts, kLanes * kValueBytes>(
      panel, weights, [](F sum, F w, float value) { return sum + w * value; }, k, x, out);
}

// Pairs of bfloat16, and x rounded to it: (T, ceil(k / 2)) words.
template <int T, bool kFetch>
inline void pair_product(const uint8_t* panel, int64_t n_pairs, const uint32_t* x, F* out) {
  running_product<T, kFetch, kPairParts, kVector>(
      panel, [](const void* p) { return load<I>(p); }, [](F sum, I w, uint32_t pair) { return pair_dot(sum, w, pair); }, n_pairs, x, out);
}

// The products of several panels of a float type with T tokens: a value of x that was broadcast serves a sum of each panel. `weights` reads
// a vector at an address; the sums out[p * kTileTokens + i] are those of float_product. `ahead`: panels to prefetch, with kFetch.
template <int kPanels, int T, bool kFetch, int kParts, int kBytes, class Weights>
inline void sum_parts_of_panels(const uint8_t* const* panels, const uint8_t* const* ahead, Weights weights, int64_t k, const float* x,
                                F* out) {
  using Cut = Parts<kParts, kBytes>;
  const Cut cut(k);
  for (int part = 0; part < kParts; ++part) {
    F total[kPanels][T] = {};
    const auto step = [&](int64_t c) __attribute__((always_inline)) {
      F w[kPanels];
      for (int p = 0; p < kPanels; ++p) w[p] = weights(panels[p] + c * kBytes);
      for (int i = 0; i < T; ++i) {
        const F broadcast = set1(x[i * k + c]);
        for (int p = 0; p < kPanels; ++p) total[p][i] += w[p] * broadcast;
      }
    };
    int64_t c = cut.begin(part);
    const int64_t end = cut.end(part);
    for (; kFetch && c + Cut::kLine <= end; c += Cut::kLine) {
      for (int p = 0; p < kPanels; ++p) fetch_ahead<kFetch>(ahead[p] + c * kBytes, kBytes * Cut::kLine);
#pragma GCC unroll 8
      for (int64_t i = 0; i < Cut::kLine; ++i) step(c + i);
    }
    for (; c < end; ++c) step(c);
    for (int p = 0; p < kPanels; ++p)
      for (int i = 0; i < T; ++i) out[p * kTileTokens + i] = part == 0 ? total[p][i] : out[p * kTileTokens + i] + total[p][i];
  }
}

template <int kPanels, int T, bool kFetch, int kValueBytes, class Weights>
inline void float_panels(const uint8_t* const* panels, const uint8_t* const* ahead, Weights weights, int64_t k, const float* x, F* out) {
  constexpr int kBytes = kLanes * kValueBytes;
  if (k <= kShortRow) return sum_parts_of_panels<kPanels, T, kFetch, 1, kBytes>(panels, ahead, weights, k, x, out);
  sum_parts_of_panels<kPanels, T, kFetch, kFloatParts, kBytes>(panels, ahead, weights, k, x, out);
}

template <int kValueBytes, class Weights>
inline void float_pair(const uint8_t* panel, int64_t size, Weights weights, int64_t k, const float* x, F* out) {
  const uint8_t* const panels[] = {panel, panel + size};
  float_panels<2, kPairTokens, false, kValueBytes>(panels, nullptr, weights, k, x, out);
}

inline void panel_pair(uint32_t type, const uint8_t* panel, int64_t size, const float* x, int64_t k, const Activations& acts, int64_t t,
                       F* out) {
  switch (static_cast<Type>(type)) {
    case Type::kF16: return float_pair<2>(panel, size, [](const void* p) { return load_half(p); }, k, x + t * k, out);
    case Type::kBF16: return float_pair<2>(panel, size, [](const void* p) { return load_bfloat(p); }, k, acts.rounded + t * k, out);
    default: return float_pair<4>(panel, size, [](const void* p) { return load<F>(p); }, k, x + t * k, out);
  }
}

template <int T, bool kFetch = true>
inline void tile(uint32_t type, const uint8_t* panel, const float* x, int64_t k, const Activations& acts, int64_t t, F* out) {
  const float* row = x + t * k;
  switch (static_cast<Type>(type)) {
    case Type::kF32: return float_product<T, kFetch, 4>(panel, [](const void* p) { return load<F>(p); }, k, row, out);
    case Type::kF16: return float_product<T, kFetch, 2>(panel, [](const void* p) { return load_half(p); }, k, row, out);
    case Type::kBF16:
      if constexpr (kBf16Pairs) return pair_product<T, kFetch>(panel, (k + 1) / 2, acts.pairs + t * ((k + 1) / 2), out);
      return float_product<T, kFetch, 2>(panel, [](const void* p) { return load_bfloat(p); }, k, acts.rounded + t * k, out);
    default: with_panel(type, [&](auto format) { block_product<T, kFetch>(format, panel, acts, t, out); });
  }
}

// The products of one panel with n tokens, at most kTileTokens. `first` says that the panel is not in the cache yet.
inline void panel_product(uint32_t type, const uint8_t* panel, const float* x, int64_t k, const Activations& acts, int64_t t, int n,
                          bool first, F* out) {
  switch (n) {
    case 1: return tile<1>(type, panel, x, k, acts, t, out);
    case 2: return tile<2>(type, panel, x, k, acts, t, out);
    case 3: return tile<3>(type, panel, x, k, acts, t, out);
    case 4: return tile<4>(type, panel, x, k, acts, t, out);
    case 5: return tile<5>(type, panel, x, k, acts, t, out);
    case 6: return tile<6>(type, panel, x, k, acts, t, out);
    case 7: return tile<7>(type, panel, x, k, acts, t, out);
    default: return first ? tile<8>(type, panel, x, k, acts, t, out) : tile<8, false>(type, panel, x, k, acts, t, out);
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
inline constexpr int kMostPanels = 4;
struct Step {
  int panels = 1, tokens = kTileTokens;
  Step(uint32_t type, int64_t panels_left, int64_t n_tokens) {
    if (is_float(type)) {
      if (kTakesPairs && panels_left > 1 && n_tokens >= kPairTokens) panels = 2, tokens = kPairTokens;
      return;
    }
    if (kLanes == 16 && panels_left >= panels_of(n_tokens)) panels = panels_of(n_tokens);
  }
  static int panels_of(int64_t n_tokens) { return n_tokens == 1 ? 4 : n_tokens <= 4 ? 2 : 1; }

  // How many tokens are multiplied from token t on. Those of a block format are in one group of activations; tiles of about the same size
  // take less time than a large one and a small one.
  int tokens_at(int64_t t, int64_t n_tokens, bool blocks) const {
    if (!blocks) return int(imin(tokens, n_tokens - t));
    const int left = int(imin(Activations::kGroup - t % Activations::kGroup, n_tokens - t));
    return left <= kTileTokens ? left : (left + 1) / 2;
  }
};

// The products of the panels of a step with n tokens, at most 4, of a block format.
inline void panel_group(const Panels& w, int64_t index, const Activations& acts, int64_t t, int n, F* out) {
  with_panel(w.type, [&](auto format) {
    switch (n) {
      case 1: return piped_product<1, 4, true>(format, w.at(index), w.size, acts, t, out);
      case 2: return piped_product<2, 2, true>(format, w.at(index), w.size, acts, t, out);
      case 3: return piped_product<3, 2, true>(format, w.at(index), w.size, acts, t, out);
      default: return piped_product<4, 2, true>(format, w.at(index), w.size, acts, t, out);
    }
  });
}

// out[p * kTileTokens + i], i < n: the products of panel index + p with tokens t + i of x, which `a` has in the form that the type takes
// where that is not float32. n is at most step.tokens.
inline void panel_products(const Panels& w, int64_t index, const Step& step, const float* x, const Activations& acts, int64_t t, int n,
                           bool first, F* out) {
  if constexpr (kTakesPairs)
    if (step.panels == 2 && n == kPairTokens) return panel_pair(w.type, w.at(index), w.size, x, w.k, acts, t, out);
  if constexpr (kLanes == 16)
    if (step.panels > 1) return panel_group(w, index, acts, t, n, out);
  for (int p = 0; p < step.panels; ++p) panel_product(w.type, w.at(index + p), x, w.k, acts, t, n, first, out + p * kTileTokens);
}

}  // namespace mlxr::kernels::MLXR_ISA
