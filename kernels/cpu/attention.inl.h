// Paged grouped-query attention with an online softmax (Dao et al. 2022, 2023).
//
// A unit of work is one KV head of one sequence and a tile of its new tokens; all query heads of the group and all tokens of the tile are
// its rows (up to kMaxRows), so that a key or value is read and widened once for all of them. Keys are taken kKeys at a time:
//   scores (rows, kKeys) = scale · q kᵀ, masked;  p = exp(scores - running maximum);  acc = acc * correction + p · v
// A long context of one tile is split into pieces of kSplitKeys keys, a unit each, whose results are merged at the end: the same pieces,
// and so the same result, for any number of threads.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kKeys = 256;
inline constexpr int64_t kMaxRows = 64;
inline constexpr int64_t kSplitKeys = 512;
inline constexpr int kValueRows = kLanes == 16 ? 8 : 4;  // rows whose sums stay in registers

// The result of a unit for its keys. After all pieces are merged, y = acc / total.
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
  int64_t begin, end;   // keys; begin is a multiple of kLanes

  int64_t position(int64_t r) const { return sequence->length - sequence->count + first + r / group; }
  // Row r of q or y.
  int64_t at(int64_t r) const {
    return ((sequence->first + first + r / group) * args->n_heads + kv_head * group + r % group) * args->kv.head_dim;
  }
};

// acc (R, C vectors) += p (R, n) · values, whose row j is load_values(j, c).
template <int R, int C, class LoadValues>
inline void add_products(LoadValues load_values, const float* p, int64_t n, float* acc, int64_t d) {
  F total[R][C];
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) total[r][c] = load<F>(acc + r * d + c * kLanes);
  for (int64_t j = 0; j < n; ++j) {
    F v[C];
    for (int c = 0; c < C; ++c) v[c] = load_values(j, c);
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) total[r][c] += v[c] * p[r * kKeys + j];
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) store(acc + r * d + c * kLanes, total[r][c]);
}

template <int C, class LoadValues>
inline void add_rows(LoadValues load_values, const float* p, int64_t n, int64_t rows, float* acc, int64_t d) {
  int64_t r = 0;
  for (; r + kValueRows <= rows; r += kValueRows) add_products<kValueRows, C>(load_values, p + r * kKeys, n, acc + r * d, d);
  for (; r + 3 <= rows; r += 3) add_products<3, C>(load_values, p + r * kKeys, n, acc + r * d, d);
  for (; r < rows; ++r) add_products<1, C>(load_values, p + r * kKeys, n, acc + r * d, d);
}

// acc (rows, d) += p (rows, n) · the n values from `offset` on of a page.
inline void add_half_values(const mlxr_kv& kv, const uint8_t* page, int64_t offset, const float* p, int64_t n, int64_t rows, float*,
                            float* acc) {
  const int64_t d = padded(kv.head_dim);
  const auto* v = reinterpret_cast<const uint16_t*>(page) + offset * d;
  int64_t c = 0;
  for (; c + 2 * kLanes <= d; c += 2 * kLanes)
    add_rows<2>([&](int64_t j, int i) { return load_half(v + j * d + c + i * kLanes); }, p, n, rows, acc + c, d);
  if (c < d) add_rows<1>([&](int64_t j, int) { return load_half(v + j * d + c); }, p, n, rows, acc + c, d);
}

// The same; `scaled` (rows, kKeys) becomes p times the scales of the values.
inline void add_byte_values(const mlxr_kv& kv, const uint8_t* page, int64_t offset, const float* p, int64_t n, int64_t rows, float* scaled,
                            float* acc) {
  const int64_t d = kv.head_dim;
  const auto* scales = reinterpret_cast<const uint16_t*>(page) + offset;
  const auto* q = page + d / 32 * kv.block_tokens * 2 + offset * d;
  for (int64_t b = 0; b < d / 32; ++b, scales += kv.block_tokens) {
    for (int64_t j = 0; j < n; j += kLanes) {
      const F scale = load_half(scales + j);
      for (int64_t r = 0; r < rows; ++r) store(scaled + r * kKeys + j, load<F>(p + r * kKeys + j) * scale);
    }
    for (int64_t c = 32 * b; c < 32 * (b + 1); c += 2 * kLanes) {
      const auto values = [&](int64_t j, int i) { return load_bytes<int8_t>(q + j * d + c + i * kLanes); };
      add_rows<2>(values, scaled, n, rows, acc + c, d);
    }
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

// Turns a row of scores of the keys [key, key + n) into weights, and rescales the sums so far if the maximum has grown.
inline void softmax_step(const Unit& unit, int64_t r, int64_t key, int64_t n, float* scores, const Partial& out, int64_t d) {
  const mlxr_attention_args& args = *unit.args;
  const int64_t width = (n + kLanes - 1) / kLanes * kLanes;
  if (args.softcap > 0)
    for (int64_t j = 0; j < width; j += kLanes) store(scores + j, args.softcap * vtanh(load<F>(scores + j) / args.softcap));
  const int64_t high = unit.position(r) - key + 1,
                low = args.window > 0 ? unit.position(r) - args.window + 1 - key : 0;  // visible: [low, high)
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
  float* q;       // (rows, head_dim), scaled
  float* scores;  // (rows, kKeys)
  float* scaled;  // (rows, kKeys), for Q8_0
  void* bytes;    // q as int8, for Q8_0
  float* partial;

  static size_t size(int64_t dim, int64_t rows) {
    return (size_t(rows * dim + 15) / 16 * 16 + size_t(2 * rows * kKeys) + Partial::floats(padded(dim), rows)) * 4 +
           Activations::size(rows, dim, {.bytes = true});
  }
  AttentionScratch(void* memory, int64_t dim, int64_t rows) : q(static_cast<float*>(memory)) {
    scores = q + (rows * dim + 15) / 16 * 16;
    scaled = scores + rows * kKeys;
    partial = scaled + rows * kKeys;
    bytes = partial + Partial::floats(padded(dim), rows);
  }
};

inline void attend(const Unit& unit, const AttentionScratch& scratch, const Partial& out) {
  const mlxr_kv& kv = unit.args->kv;
  const int64_t dim = kv.head_dim, d = padded(dim), rows = unit.rows;
  const bool bytes = static_cast<Type>(kv.type) == Type::kQ8_0;
  Activations acts(scratch.bytes, rows, dim, {.bytes = bytes});
  const int64_t panel_bytes_each = panel_size(kv.type, dim);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < dim; ++i) scratch.q[r * dim + i] = unit.args->q[unit.at(r) + i] * unit.args->scale;
    if (bytes) acts.quantize(scratch.q, r);
    out.top[r] = -INFINITY;
    out.total[r] = 0;
  }
  std::memset(out.acc, 0, size_t(rows * d) * 4);

  for (int64_t key = unit.begin; key < unit.end; key += kKeys) {
    const int64_t n = imin(kKeys, unit.end - key);
    for (int64_t j = 0; j < n; j += kLanes) {
      const int64_t token = key + j;
      const uint8_t* keys = page_at(kv.k, kv, unit.sequence->pages[token / kv.block_tokens], unit.kv_head) +
                            token % kv.block_tokens / kLanes * panel_bytes_each;
      for (int64_t r = 0; r < rows; r += kTileTokens) {
        const int count = int(imin(kTileTokens, rows - r));
        F tile_scores[kTileTokens];
        panel_product(kv.type, keys, scratch.q, dim, acts, r, count, r == 0, tile_scores);
        for (int i = 0; i < count; ++i) store(scratch.scores + (r + i) * kKeys + j, tile_scores[i]);
      }
    }
    for (int64_t r = 0; r < rows; ++r) softmax_step(unit, r, key, n, scratch.scores + r * kKeys, out, d);
    for (int64_t j = 0; j < n;) {
      const int64_t token = key + j, offset = token % kv.block_tokens, count = imin(n - j, kv.block_tokens - offset);
      const uint8_t* page = page_at(kv.v, kv, unit.sequence->pages[token / kv.block_tokens], unit.kv_head);
      (bytes ? add_byte_values : add_half_values)(kv, page, offset, scratch.scores + j, count, rows, scratch.scaled, out.acc);
      j += count;
    }
  }
}

// Merges the n pieces of the rows of a unit, `size` floats apart, into y.
inline void merge(const Unit& unit, float* pieces, int64_t n, size_t size) {
  const int64_t dim = unit.args->kv.head_dim, d = padded(dim);
  for (int64_t r = 0; r < unit.rows; ++r) {
    float top = -INFINITY, total = 0;
    for (int64_t i = 0; i < n; ++i) top = smax(top, Partial(pieces + size_t(i) * size, d, unit.rows).top[r]);
    float* y = unit.args->y + unit.at(r);
    for (int64_t i = 0; i < n; ++i) {
      const Partial piece(pieces + size_t(i) * size, d, unit.rows);
      const float weight = __builtin_expf(piece.top[r] - top);
      total += piece.total[r] * weight;
      for (int64_t c = 0; c < dim; ++c) y[c] = (i == 0 ? 0.0f : y[c]) + piece.acc[r * d + c] * weight;
    }
    for (int64_t c = 0; c < dim; ++c) y[c] *= 1.0f / total;
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
  int64_t begin(int64_t position) const { return args->window > 0 ? imax(0, position - args->window + 1) / kLanes * kLanes : 0; }
  int64_t pieces(const mlxr_sequence& sequence) const {
    return tiles(sequence) > 1 ? 1 : (sequence.length - begin(sequence.length - sequence.count) + kSplitKeys - 1) / kSplitKeys;
  }
  int64_t units(const mlxr_sequence& sequence) const { return tiles(sequence) * args->kv.n_kv_heads * pieces(sequence); }

  Unit unit(const mlxr_sequence& sequence, int64_t index) const {
    const int64_t n_pieces = pieces(sequence), piece = index % n_pieces, head = index / n_pieces % args->kv.n_kv_heads;
    const int64_t first = (tiles(sequence) - 1 - index / n_pieces / args->kv.n_kv_heads) * tokens;  // the longest first
    const int64_t count = imin(tokens, sequence.count - first), position = sequence.length - sequence.count + first;
    const int64_t low = begin(position) + piece * kSplitKeys, high = position + count;
    return {args, &sequence, head, group, first, group * count, low, n_pieces == 1 ? high : imin(high, low + kSplitKeys)};
  }
};

inline int32_t attention(mlxr_pool* pool, const mlxr_attention_args* args) {
  const Tiling tiling(*args);
  const int64_t dim = args->kv.head_dim, width = padded(dim);
  int64_t units = 0, work = 0, split_units = 0;
  for (int32_t i = 0; i < args->n_sequences; ++i) {
    const mlxr_sequence& sequence = args->sequences[i];
    units += tiling.units(sequence);
    if (tiling.pieces(sequence) > 1) split_units += tiling.units(sequence);
    work += sequence.count * sequence.length * args->n_heads * dim;
  }
  const size_t piece_floats = Partial::floats(width, tiling.rows());
  if (!pool_reserve(pool, AttentionScratch::size(dim, tiling.rows()), size_t(split_units) * piece_floats * 4)) return 0;
  float* const pieces = static_cast<float*>(pool_shared(pool));  // of every unit whose sequence is split

  const auto run_unit = [&](int64_t index, int thread) {
    const mlxr_sequence* sequence = args->sequences;
    float* piece = pieces;
    for (; index >= tiling.units(*sequence); index -= tiling.units(*sequence), ++sequence)
      if (tiling.pieces(*sequence) > 1) piece += size_t(tiling.units(*sequence)) * piece_floats;
    const Unit unit = tiling.unit(*sequence, index);
    const AttentionScratch scratch(pool_scratch(pool, thread), dim, unit.rows);
    if (tiling.pieces(*sequence) > 1) return attend(unit, scratch, Partial(piece + size_t(index) * piece_floats, width, unit.rows));
    attend(unit, scratch, Partial(scratch.partial, width, unit.rows));
    merge(unit, scratch.partial, 1, 0);
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
    for (int64_t index = 0; index < tiling.units(sequence); index += n, piece += size_t(n) * piece_floats)
      merge(tiling.unit(sequence, index), piece, n, piece_floats);
  }
  return 1;
}

}  // namespace mlxr::kernels::MLXR_ISA
