// Paged grouped-query attention with an online softmax (Dao et al. 2022, 2023).
//
// A unit of work is one KV head of one sequence and a tile of its new tokens; all query heads of the group and all tokens of the tile are
// its rows (up to kMaxRows), so that a key or value is read and widened once for all of them. Keys are taken kKeys at a time:
//   scores (rows, kKeys) = scale · q kᵀ, masked;  p = exp(scores - running maximum);  acc = acc * correction + p · v
// A context is cut into pieces of kSplitKeys keys, whose results are merged in order. The pieces of a sequence with few new tokens are a
// unit each, so that all threads work on it; with more, a unit takes one piece after the other. Pieces and steps begin at multiples of
// their size, whatever the window and wherever a tile begins, and what a row does not see adds exact zeros. A row's sums are therefore the
// same ones however the tokens of its sequence come in calls, and for any number of threads.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kKeys = 256;
inline constexpr int64_t kMaxRows = 64;
inline constexpr int64_t kSplitKeys = 512;
static_assert(kSplitKeys % kKeys == 0 && kKeys % kLanes == 0);
inline constexpr int kValueRows = kLanes == 16 ? 8 : 4;  // rows whose sums stay in registers

// The result of the rows of a unit for some of its keys. After all pieces are merged, y = acc / total.
struct Partial {
  float* acc;    // (rows, d)
  float* top;    // (rows): the largest score, minus infinity where no key was visible
  float* total;  // (rows): Σ exp(score - top)

  static size_t floats(int64_t d, int64_t rows) { return size_t(rows * (d + 2) + 15) / 16 * 16; }
  Partial(float* memory, int64_t d, int64_t rows) : acc(memory), top(acc + rows * d), total(top + rows) {}
};

// The shape of a unit's problem.
struct Unit {
  const mlxr_attention_args* args;
  const mlxr_sequence* sequence;
  int64_t kv_head, group;
  int64_t first, rows;  // the first new token; group * tokens
  int64_t begin, end;   // keys; begin is a multiple of kLanes, in the block of the first key that a row sees

  int64_t position(int64_t r) const { return sequence->length - sequence->count + first + r / group; }
  int64_t head(int64_t r) const { return kv_head * group + r % group; }
  int64_t row(int64_t r) const { return (sequence->first + first + r / group) * args->n_heads + head(r); }  // of q and y
};

// acc (R, C vectors) += p (R, n) · values: the vectors from column `c` on of their rows. With kFetch the same of the rows that come next.
template <int R, int C, bool kFetch, class Values>
inline void add_products(const Values& values, int64_t c, const float* p, int64_t n, float* acc, int64_t d) {
  F total[R][C];
  for (int r = 0; r < R; ++r)
    for (int i = 0; i < C; ++i) total[r][i] = load<F>(acc + r * d + i * kLanes);
  for (int64_t j = 0; j < n; ++j) {
    if constexpr (kFetch) __builtin_prefetch(values.next(j, c));
    F v[C];
    for (int i = 0; i < C; ++i) v[i] = values.load(j, c + i * kLanes);
    for (int r = 0; r < R; ++r)
      for (int i = 0; i < C; ++i) total[r][i] += v[i] * p[r * kKeys + j];
  }
  for (int r = 0; r < R; ++r)
    for (int i = 0; i < C; ++i) store(acc + r * d + i * kLanes, total[r][i]);
}

// The same for any number of rows. The first ones find the values in memory, and the others find them in the cache.
template <int C, class Values>
inline void add_rows(const Values& values, int64_t c, const float* p, int64_t n, int64_t rows, float* acc, int64_t d) {
  int64_t r = 0;
  if (rows >= kValueRows) {
    add_products<kValueRows, C, true>(values, c, p, n, acc + c, d);
    for (r = kValueRows; r + kValueRows <= rows; r += kValueRows)
      add_products<kValueRows, C, false>(values, c, p + r * kKeys, n, acc + r * d + c, d);
  }
  const auto rest = [&](auto count) __attribute__((always_inline)) {
    constexpr int kRows = decltype(count)::kValue;
    if (r == 0) return add_products<kRows, C, true>(values, c, p, n, acc + c, d);
    add_products<kRows, C, false>(values, c, p + r * kKeys, n, acc + r * d + c, d);
  };
  switch (rows - r) {
    case 0: return;
    case 1: return rest(Number<1>{});
    case 2: return rest(Number<2>{});
    case 3: return rest(Number<3>{});
  }
  if constexpr (kValueRows > 4) {
    switch (rows - r) {
      case 4: return rest(Number<4>{});
      case 5: return rest(Number<5>{});
      case 6: return rest(Number<6>{});
      default: return rest(Number<7>{});
    }
  }
}

// The values of a page from an offset on, and those that come next in the same place of a page.
struct HalfValues {
  const uint16_t *first, *following;
  int64_t d;
  F load(int64_t j, int64_t c) const { return load_half(first + j * d + c); }
  const void* next(int64_t j, int64_t c) const { return following + j * d + c; }
};
struct ByteValues {
  const uint8_t *first, *following;
  int64_t d;
  F load(int64_t j, int64_t c) const { return load_bytes<int8_t>(first + j * d + c); }
  const void* next(int64_t j, int64_t c) const { return following + j * d + c; }
};

// acc (rows, d) += p (rows, n) · the n values from `offset` on of a page. `next` is the page that comes next.
inline void add_half_values(const mlxr_kv& kv, const uint8_t* page, const uint8_t* next, int64_t offset, const float* p, int64_t n,
                            int64_t rows, float*, float* acc) {
  const int64_t d = padded(kv.value_dim);
  const HalfValues values{reinterpret_cast<const uint16_t*>(page) + offset * d, reinterpret_cast<const uint16_t*>(next), d};
  int64_t c = 0;
  for (; c + 2 * kLanes <= d; c += 2 * kLanes) add_rows<2>(values, c, p, n, rows, acc, d);
  if (c < d) add_rows<1>(values, c, p, n, rows, acc, d);
}

// The same; `scaled` (rows, kKeys) becomes p times the scales of the values.
inline void add_byte_values(const mlxr_kv& kv, const uint8_t* page, const uint8_t* next, int64_t offset, const float* p, int64_t n,
                            int64_t rows, float* scaled, float* acc) {
  const int64_t d = kv.value_dim, scale_bytes = d / 32 * kv.block_tokens * 2;
  const auto* scales = reinterpret_cast<const uint16_t*>(page) + offset;
  const ByteValues values{page + scale_bytes + offset * d, next + scale_bytes, d};
  for (int64_t b = 0; b < d / 32; ++b, scales += kv.block_tokens) {
    for (int64_t j = 0; j < n; j += kLanes) {
      const F scale = load_half(scales + j);
      for (int64_t r = 0; r < rows; ++r) store(scaled + r * kKeys + j, load<F>(p + r * kKeys + j) * scale);
    }
    for (int64_t c = 32 * b; c < 32 * (b + 1); c += 2 * kLanes) add_rows<2>(values, c, scaled, n, rows, acc, d);
  }
}

// Replaces n scores, a multiple of kLanes, by exp(score - top) and returns the sum. A score of minus infinity becomes 0.
inline float exp_row(float* scores, float top, int64_t n) {
  F total{};
  for (int64_t j = 0; j < n; j += kLanes) {
    const F weights = vexp(load<F>(scores + j) - top);
    store(scores + j, weights);
    total += weights;
  }
  return sum(total);
}

inline float row_max(const float* scores, int64_t n) {
  F top = set1(-INFINITY);
  for (int64_t j = 0; j < n; j += kLanes) top = vmax(top, load<F>(scores + j));
  return max_of(top);
}

// Turns a row of scores of the keys [key, key + n) into weights, 0 where the row does not see a key, and rescales the sums so far if the
// maximum has grown.
inline void softmax_step(const Unit& unit, int64_t r, int64_t key, int64_t n, float* scores, const Partial& out, int64_t d) {
  const mlxr_attention_args& args = *unit.args;
  const int64_t width = (n + kLanes - 1) / kLanes * kLanes;
  if (args.softcap > 0)
    for (int64_t j = 0; j < width; j += kLanes) store(scores + j, args.softcap * vtanh(load<F>(scores + j) / args.softcap));
  const int64_t position = unit.position(r) - key, reach = args.window - 1;  // visible: [low, high)
  const int64_t low = args.window > 0 ? position - reach : 0;
  const int64_t high = !args.two_sided ? position + 1 : args.window > 0 ? position + reach + 1 : n;
  for (int64_t j = 0; j < imin(low, width); ++j) scores[j] = -INFINITY;
  for (int64_t j = imax(0, imin(high, n)); j < width; ++j) scores[j] = -INFINITY;
  const float top = smax(out.top[r], row_max(scores, width));
  if (top == -INFINITY) {  // nothing visible yet
    std::memset(scores, 0, size_t(width) * 4);
    return;
  }
  const float correction = out.top[r] == -INFINITY ? 0.0f : __builtin_expf(out.top[r] - top);
  out.total[r] = out.total[r] * correction + exp_row(scores, top, width);
  out.top[r] = top;
  if (correction != 1.0f)
    for (int64_t i = 0; i < d; i += kLanes) store(out.acc + r * d + i, load<F>(out.acc + r * d + i) * correction);
}

// Scratch of one unit.
struct AttentionScratch {
  float* q;       // (rows, key_dim), scaled
  float* scores;  // (rows, kKeys)
  float* scaled;  // (rows, kKeys), for Q8_0
  void* bytes;    // q as int8, for Q8_0
  float* partials[2];

  static size_t size(const mlxr_kv& kv, int64_t rows) {
    return (size_t(rows * kv.key_dim + 15) / 16 * 16 + size_t(2 * rows * kKeys) + 2 * Partial::floats(padded(kv.value_dim), rows)) * 4 +
           Activations::size(rows, kv.key_dim, ActivationForms(kv.type));
  }
  AttentionScratch(void* memory, const mlxr_kv& kv, int64_t rows) : q(static_cast<float*>(memory)) {
    scores = q + (rows * kv.key_dim + 15) / 16 * 16;
    scaled = scores + rows * kKeys;
    partials[0] = scaled + rows * kKeys;
    partials[1] = partials[0] + Partial::floats(padded(kv.value_dim), rows);
    bytes = partials[1] + Partial::floats(padded(kv.value_dim), rows);
  }
};

// The queries of a unit in the form that products with its keys take.
class Queries {
 public:
  Queries(const Unit& unit, const AttentionScratch& scratch)
      : x_(scratch.q), acts_(scratch.bytes, unit.rows, unit.args->kv.key_dim, ActivationForms(unit.args->kv.type)) {
    const int64_t dim = unit.args->kv.key_dim;
    for (int64_t r = 0; r < unit.rows; ++r) {
      const float* q = unit.args->q + unit.row(r) * dim;
      for (int64_t i = 0; i < dim; ++i) scratch.q[r * dim + i] = q[i] * unit.args->scale;
      if (is_bytes(unit)) acts_.quantize(x_, r);
    }
  }
  static bool is_bytes(const Unit& unit) { return static_cast<Type>(unit.args->kv.type) == Type::kQ8_0; }

  // scores (rows, kKeys) = their products with the keys of the first n of `left` panels
  void multiply(const Unit& unit, const uint8_t* const* panels, int64_t n, int64_t left, float* scores) const {
    for (int64_t p = is_bytes(unit) ? 0 : multiply_few(unit, panels, n, left, scores); p < n; ++p) {
      for (int64_t r = 0; r < unit.rows; r += kTileTokens) {
        const int count = int(imin(kTileTokens, unit.rows - r));
        F products[kTileTokens];
        panel_product(unit.args->kv.type, panels[p], x_, unit.args->kv.key_dim, acts_, r, count, r == 0, products);
        for (int i = 0; i < count; ++i) store(scores + (r + i) * kKeys + p * kLanes, products[i]);
      }
    }
  }

 private:
  // Few rows of an F16 cache are multiplied with several panels at once: each addition waits for the previous one of its sum, and so few
  // sums would not keep the processor busy. Returns how many of the n panels were taken.
  int64_t multiply_few(const Unit& unit, const uint8_t* const* panels, int64_t n, int64_t left, float* scores) const {
    switch (const int64_t dim = unit.args->kv.key_dim; unit.rows) {
      case 1: return multiply_rows<1, 4>(panels, n, left, dim, scores);
      case 2: return multiply_rows<2, 2>(panels, n, left, dim, scores);
      case 3: return multiply_rows<3, 2>(panels, n, left, dim, scores);
      case 4: return multiply_rows<4, 2>(panels, n, left, dim, scores);
      default: return 0;
    }
  }
  template <int kRows, int kPanels>
  int64_t multiply_rows(const uint8_t* const* panels, int64_t n, int64_t left, int64_t dim, float* scores) const {
    const int64_t distance = imax(kPanels, kFetchAhead / (dim * kLanes * 2));
    int64_t first = 0;
    for (; first + kPanels <= n; first += kPanels) {
      F products[kPanels * kTileTokens];
      const uint8_t* ahead[kPanels];
      for (int p = 0; p < kPanels; ++p) ahead[p] = panels[imin(first + p + distance, left - 1)];
      float_panels<kPanels, kRows, true, 2>(panels + first, ahead, [](const void* p) { return load_half(p); }, dim, x_, products);
      for (int p = 0; p < kPanels; ++p)
        for (int r = 0; r < kRows; ++r) store(scores + r * kKeys + (first + p) * kLanes, products[p * kTileTokens + r]);
    }
    return first;
  }

  const float* x_;
  Activations acts_;
};

// out = the result of the rows for the keys [begin, end), all in one piece.
inline void attend(const Unit& unit, const Queries& queries, int64_t begin, int64_t end, const AttentionScratch& scratch,
                   const Partial& out) {
  const mlxr_kv& kv = unit.args->kv;
  const Pages pages(kv);
  const int64_t d = padded(kv.value_dim), rows = unit.rows;
  for (int64_t r = 0; r < rows; ++r) {
    out.top[r] = -INFINITY;
    out.total[r] = 0;
  }
  std::memset(out.acc, 0, size_t(rows * d) * 4);

  const uint8_t* panels[kSplitKeys / kLanes];
  for (int64_t key = begin; key < end; key += kLanes)
    panels[(key - begin) / kLanes] = pages.key_panel(unit.sequence->pages[key / kv.block_tokens], unit.kv_head, key % kv.block_tokens);
  for (int64_t key = begin, n; key < end; key += n) {
    n = imin(kKeys - key % kKeys, end - key);
    queries.multiply(unit, panels + (key - begin) / kLanes, (n + kLanes - 1) / kLanes, (end - key + kLanes - 1) / kLanes, scratch.scores);
    for (int64_t r = 0; r < rows; ++r) softmax_step(unit, r, key, n, scratch.scores + r * kKeys, out, d);
    for (int64_t j = 0; j < n;) {
      const int64_t token = key + j, offset = token % kv.block_tokens, count = imin(n - j, kv.block_tokens - offset);
      const uint8_t* page = pages.values(unit.sequence->pages[token / kv.block_tokens], unit.kv_head);
      const int64_t following = imin(token + count, end - 1) / kv.block_tokens;
      const uint8_t* next = pages.values(unit.sequence->pages[following], unit.kv_head);
      const auto add_values = Queries::is_bytes(unit) ? add_byte_values : add_half_values;
      add_values(kv, page, next, offset, scratch.scores + j, count, rows, scratch.scaled, out.acc);
      j += count;
    }
  }
}

// sum = the result for the keys of `sum` and of `piece` together. Not inlined: each caller gets the same instructions, and so the same
// bits.
[[gnu::noinline]] inline void merge(const Partial& piece, int64_t rows, int64_t d, const Partial& sum) {
  for (int64_t r = 0; r < rows; ++r) {
    if (piece.top[r] == -INFINITY) continue;  // the row sees nothing of it
    const float top = smax(sum.top[r], piece.top[r]);
    const float before = __builtin_expf(sum.top[r] - top), weight = __builtin_expf(piece.top[r] - top);
    sum.top[r] = top;
    sum.total[r] = sum.total[r] * before + piece.total[r] * weight;
    for (int64_t i = r * d; i < (r + 1) * d; i += kLanes)
      store(sum.acc + i, load<F>(sum.acc + i) * before + load<F>(piece.acc + i) * weight);
  }
}

// What a row's sums of all keys are multiplied with: 1 / Σ exp(score - top). A sink that is larger than `top` takes its place.
inline float weight_of_sums(float top, float total, const float* sink) {
  if (sink == nullptr) return 1.0f / total;
  if (*sink <= top) return 1.0f / (total + __builtin_expf(*sink - top));
  const float below = __builtin_expf(top - *sink);
  return below / (total * below + 1.0f);
}

// y = the result of a unit's rows, of which `sum` has all keys.
inline void finish(const Unit& unit, const Partial& sum) {
  const int64_t dim = unit.args->kv.value_dim, d = padded(dim);
  for (int64_t r = 0; r < unit.rows; ++r) {
    const float factor = weight_of_sums(sum.top[r], sum.total[r], unit.args->sinks ? unit.args->sinks + unit.head(r) : nullptr);
    float* y = unit.args->y + unit.row(r) * dim;
    // 0 is added because the sign of a zero depends on keys that the row does not see.
    for (int64_t i = 0; i < dim; ++i) y[i] = sum.acc[r * d + i] * factor + 0.0f;
  }
}

// How the units of a sequence are numbered: pieces of heads of tiles.
struct Tiling {
  const mlxr_attention_args* args;
  int64_t group, tokens;  // of a tile

  explicit Tiling(const mlxr_attention_args& a) : args(&a), group(a.n_heads / a.kv.n_kv_heads), tokens(imax(1, kMaxRows / group)) {
    if (tokens > 8) tokens -= tokens % 8;  // a multiple of kTileTokens, so that products have whole tiles for any group
  }

  int64_t rows() const { return group * tokens; }
  int64_t tiles(const mlxr_sequence& sequence) const { return (sequence.count + tokens - 1) / tokens; }
  // The first key that the token at a position sees, rounded down to kLanes.
  int64_t begin(int64_t position) const { return args->window > 0 ? imax(0, position - args->window + 1) / kLanes * kLanes : 0; }
  // One more than the last key that the tokens before a position see, where attention is two-sided.
  int64_t end(int64_t position, int64_t length) const { return args->window > 0 ? imin(length, position + args->window - 1) : length; }
  // The units of a head and tile: 1 where a unit takes all its pieces.
  int64_t pieces(const mlxr_sequence& sequence) const {
    return tiles(sequence) > 1 ? 1 : (sequence.length + kSplitKeys - 1) / kSplitKeys - begin(sequence.length - sequence.count) / kSplitKeys;
  }
  int64_t units(const mlxr_sequence& sequence) const { return tiles(sequence) * args->kv.n_kv_heads * pieces(sequence); }

  Unit unit(const mlxr_sequence& sequence, int64_t index) const {
    const int64_t n_pieces = pieces(sequence), piece = index % n_pieces, head = index / n_pieces % args->kv.n_kv_heads;
    const int64_t first = (tiles(sequence) - 1 - index / n_pieces / args->kv.n_kv_heads) * tokens;  // the longest first
    const int64_t count = imin(tokens, sequence.count - first), position = sequence.length - sequence.count + first;
    int64_t low = begin(position), high = args->two_sided ? end(position + count, sequence.length) : position + count;
    if (n_pieces > 1) {
      const int64_t whole = (low / kSplitKeys + piece) * kSplitKeys;
      low = imax(low, whole);
      high = imin(high, whole + kSplitKeys);
    }
    return {args, &sequence, head, group, first, group * count, low, high};
  }
};

// y of a unit that has all keys of its rows.
inline void run_whole(const Unit& unit, const AttentionScratch& scratch) {
  const int64_t d = padded(unit.args->kv.value_dim);
  const Queries queries(unit, scratch);
  const Partial sum(scratch.partials[0], d, unit.rows), piece(scratch.partials[1], d, unit.rows);
  for (int64_t begin = unit.begin, end; begin < unit.end; begin = end) {
    end = imin(unit.end, (begin / kSplitKeys + 1) * kSplitKeys);
    attend(unit, queries, begin, end, scratch, begin == unit.begin ? sum : piece);
    if (begin != unit.begin) merge(piece, unit.rows, d, sum);
  }
  finish(unit, sum);
}

inline int32_t attention(mlxr_pool* pool, const mlxr_attention_args* args) {
  const Tiling tiling(*args);
  const mlxr_kv& kv = args->kv;
  const int64_t width = padded(kv.value_dim);
  int64_t units = 0, work = 0, split_units = 0;
  for (int32_t i = 0; i < args->n_sequences; ++i) {
    const mlxr_sequence& sequence = args->sequences[i];
    units += tiling.units(sequence);
    if (tiling.pieces(sequence) > 1) split_units += tiling.units(sequence);
    work += sequence.count * sequence.length * args->n_heads * (kv.key_dim + kv.value_dim) / 2;
  }
  const size_t piece_floats = Partial::floats(width, tiling.rows());
  if (!pool_reserve(pool, AttentionScratch::size(kv, tiling.rows()), size_t(split_units) * piece_floats * 4)) return 0;
  float* const pieces = static_cast<float*>(pool_shared(pool));  // of every unit whose sequence is split

  const auto run_unit = [&](int64_t index, int thread) {
    const mlxr_sequence* sequence = args->sequences;
    float* piece = pieces;
    for (; index >= tiling.units(*sequence); index -= tiling.units(*sequence), ++sequence)
      if (tiling.pieces(*sequence) > 1) piece += size_t(tiling.units(*sequence)) * piece_floats;
    const Unit unit = tiling.unit(*sequence, index);
    const AttentionScratch scratch(pool_scratch(pool, thread), kv, unit.rows);
    if (tiling.pieces(*sequence) == 1) return run_whole(unit, scratch);
    attend(unit, Queries(unit, scratch), unit.begin, unit.end, scratch, Partial(piece + size_t(index) * piece_floats, width, unit.rows));
  };
  if (work <= kInlineWork) {
    for (int64_t i = 0; i < units; ++i) run_unit(i, 0);
  } else {
    for_chunks(pool, units, run_unit);
  }

  float* piece = pieces;
  for (int32_t i = 0; i < args->n_sequences; ++i) {
    const mlxr_sequence& sequence = args->sequences[i];
    const int64_t n = tiling.pieces(sequence);
    if (n == 1) continue;
    for (int64_t index = 0; index < tiling.units(sequence); index += n) {
      const Unit unit = tiling.unit(sequence, index);
      const Partial sum(piece, width, unit.rows);
      for (int64_t p = 1; p < n; ++p) merge(Partial(piece + size_t(p) * piece_floats, width, unit.rows), unit.rows, width, sum);
      finish(unit, sum);
      piece += size_t(n) * piece_floats;
    }
  }
  return 1;
}

}  // namespace mlxr::kernels::MLXR_ISA
