// Paged grouped-query attention with an online softmax.
//
// A unit of work is one KV head of one sequence and a tile of its new tokens; all query heads of the group and all tokens of the tile are
// its rows (up to kMaxRows), so that a key or value is read and widened to float32 once for all of them. Keys are taken kKeys at a time:
//   scores (rows, kKeys) = scale · q kᵀ, masked;  p = exp(scores - running maximum);  acc = acc * correction + p · v
// A long context of few rows is not split over threads: its KV heads are.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kKeys = 64;
inline constexpr int64_t kMaxRows = 32;
inline constexpr int64_t kTransposeRows = 8;  // from this many rows on it pays to transpose the keys

// Scratch of one unit. Strides are multiples of kLanes, the columns past head_dim are zero.
struct AttentionScratch {
  int64_t d, rows;
  float* q;           // (rows, d)
  float* acc;         // (rows, d)
  float* keys;        // (kKeys, d), or (d, kKeys) when transposed
  float* values;      // (kKeys, d)
  float* scores;      // (rows, kKeys)
  float* top;         // (rows)
  float* total;       // (rows)
  int64_t* position;  // (rows)

  static size_t bytes(int64_t d, int64_t rows) { return size_t(2 * rows * d + 2 * kKeys * d + rows * kKeys + 4 * rows) * 4 + 64; }
  AttentionScratch(void* memory, int64_t d_, int64_t rows_) : d(d_), rows(rows_) {
    position = static_cast<int64_t*>(memory);
    top = reinterpret_cast<float*>(position + rows);
    total = top + rows;
    q = total + rows;
    acc = q + rows * d;
    keys = acc + rows * d;
    values = keys + kKeys * d;
    scores = values + kKeys * d;
  }
};

inline void widen(const uint16_t* from, int64_t n, int64_t d, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, load_half(from + i));
  for (; i < n; ++i) to[i] = half(from[i]);
  for (; i < d; ++i) to[i] = 0;
}

// out (R, kKeys) for R rows of q, d apart, against transposed keys (dim, kKeys).
template <int R>
inline void scores_transposed(const float* q, const float* keys, int64_t dim, int64_t d, float* out) {
  for (int64_t c = 0; c < kKeys; c += 2 * kLanes) {
    F acc[R][2] = {};
    for (int64_t i = 0; i < dim; ++i) {
      const F a = load<F>(keys + i * kKeys + c), b = load<F>(keys + i * kKeys + c + kLanes);
      for (int r = 0; r < R; ++r) {
        acc[r][0] += a * q[r * d + i];
        acc[r][1] += b * q[r * d + i];
      }
    }
    for (int r = 0; r < R; ++r) {
      store(out + r * kKeys + c, acc[r][0]);
      store(out + r * kKeys + c + kLanes, acc[r][1]);
    }
  }
}

// acc (R, d) += p (R, n) · values (n, d)
template <int R>
inline void add_values(const float* p, const float* values, int64_t n, int64_t d, float* acc) {
  for (int64_t c = 0; c < d; c += kLanes) {
    F total[R];
    for (int r = 0; r < R; ++r) total[r] = load<F>(acc + r * d + c);
    for (int64_t j = 0; j < n; ++j) {
      const F v = load<F>(values + j * d + c);
      for (int r = 0; r < R; ++r) total[r] += v * p[r * kKeys + j];
    }
    for (int r = 0; r < R; ++r) store(acc + r * d + c, total[r]);
  }
}

inline void attend(const mlxr_attention_args& g, const mlxr_sequence& s, int64_t kv_head, int64_t first, int64_t count, void* memory) {
  const int64_t dim = g.kv.head_dim, d = (dim + kLanes - 1) / kLanes * kLanes, group = g.n_heads / g.kv.n_kv_heads;
  AttentionScratch w(memory, d, group * count);
  const int64_t rows = w.rows;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t token = first + r / group, head = kv_head * group + r % group;
    const float* q = g.q + ((s.first + token) * g.n_heads + head) * dim;
    for (int64_t i = 0; i < d; ++i) w.q[r * d + i] = i < dim ? q[i] * g.scale : 0.0f;
    w.position[r] = s.length - s.count + token;
    w.top[r] = -INFINITY;
    w.total[r] = 0;
  }
  std::memset(w.acc, 0, size_t(rows * d) * 4);

  const int64_t last = w.position[rows - 1];
  const int64_t begin = g.window > 0 ? imax(0, w.position[0] - g.window + 1) : 0;
  const bool transpose = rows >= kTransposeRows;
  for (int64_t key = begin; key <= last; key += kKeys) {
    const int64_t n = imin(kKeys, last + 1 - key);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t page = s.pages[(key + j) / g.kv.block_tokens], offset = (key + j) % g.kv.block_tokens;
      const int64_t at = ((page * g.kv.n_kv_heads + kv_head) * g.kv.block_tokens + offset) * dim;
      widen(g.kv.v + at, dim, d, w.values + j * d);
      if (transpose) {
        for (int64_t i = 0; i < dim; ++i) w.keys[i * kKeys + j] = half(g.kv.k[at + i]);
      } else {
        widen(g.kv.k + at, dim, d, w.keys + j * d);
      }
    }
    if (transpose) {
      if (n < kKeys)
        for (int64_t i = 0; i < dim; ++i) std::memset(w.keys + i * kKeys + n, 0, size_t(kKeys - n) * 4);
      int64_t r = 0;
      for (; r + 4 <= rows; r += 4) scores_transposed<4>(w.q + r * d, w.keys, dim, d, w.scores + r * kKeys);
      for (; r < rows; ++r) scores_transposed<1>(w.q + r * d, w.keys, dim, d, w.scores + r * kKeys);
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < n; ++j) {
          F acc{};
          for (int64_t i = 0; i < d; i += kLanes) acc += load<F>(w.q + r * d + i) * load<F>(w.keys + j * d + i);
          w.scores[r * kKeys + j] = sum(acc);
        }
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      float* scores = w.scores + r * kKeys;
      if (g.softcap > 0) {
        for (int64_t j = n; j < kKeys; ++j) scores[j] = 0;
        for (int j = 0; j < kKeys; j += kLanes) store(scores + j, g.softcap * vtanh(load<F>(scores + j) / g.softcap));
      }
      const int64_t high = w.position[r] - key + 1, low = g.window > 0 ? w.position[r] - g.window + 1 - key : 0;  // visible: [low, high)
      for (int64_t j = 0; j < imin(low, kKeys); ++j) scores[j] = -INFINITY;
      for (int64_t j = imax(0, high); j < kKeys; ++j) scores[j] = -INFINITY;
      const float top = smax(w.top[r], row_max(scores, kKeys));
      if (top == -INFINITY) {  // nothing visible yet
        std::memset(scores, 0, kKeys * 4);
        continue;
      }
      const float correction = w.top[r] == -INFINITY ? 0.0f : __builtin_expf(w.top[r] - top);
      w.total[r] = w.total[r] * correction + exp_row(scores, top, kKeys, scores);
      w.top[r] = top;
      if (correction != 1.0f)
        for (int64_t i = 0; i < d; i += kLanes) store(w.acc + r * d + i, load<F>(w.acc + r * d + i) * correction);
    }
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8) add_values<8>(w.scores + r * kKeys, w.values, n, d, w.acc + r * d);
    for (; r + 3 <= rows; r += 3) add_values<3>(w.scores + r * kKeys, w.values, n, d, w.acc + r * d);
    for (; r < rows; ++r) add_values<1>(w.scores + r * kKeys, w.values, n, d, w.acc + r * d);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t token = first + r / group, head = kv_head * group + r % group;
    float* y = g.y + ((s.first + token) * g.n_heads + head) * dim;
    const float inverse = 1.0f / w.total[r];
    for (int64_t i = 0; i < dim; ++i) y[i] = w.acc[r * d + i] * inverse;
  }
}

inline void attention(mlxr_pool* pool, const mlxr_attention_args* args) {
  struct Job {
    const mlxr_attention_args* g;
    mlxr_pool* pool;
    int64_t tokens;  // of a tile
    size_t scratch;
  };
  const int64_t d = (args->kv.head_dim + kLanes - 1) / kLanes * kLanes, group = args->n_heads / args->kv.n_kv_heads;
  Job job{args, pool, imax(1, kMaxRows / group), 0};
  job.scratch = AttentionScratch::bytes(d, group * job.tokens);
  int64_t units = 0, work = 0;
  for (int32_t i = 0; i < args->n_sequences; ++i) {
    const mlxr_sequence& s = args->sequences[i];
    units += (s.count + job.tokens - 1) / job.tokens * args->kv.n_kv_heads;
    work += s.count * s.length * args->n_heads * args->kv.head_dim;
  }
  const auto task = [](void* p, int64_t unit, int thread) {
    const Job& j = *static_cast<const Job*>(p);
    const mlxr_sequence* s = j.g->sequences;
    const int64_t heads = j.g->kv.n_kv_heads;
    int64_t tiles = (s->count + j.tokens - 1) / j.tokens;
    while (unit >= tiles * heads) {
      unit -= tiles * heads;
      ++s;
      tiles = (s->count + j.tokens - 1) / j.tokens;
    }
    const int64_t first = (tiles - 1 - unit / heads) * j.tokens;  // the longest first
    attend(*j.g, *s, unit % heads, first, imin(j.tokens, s->count - first), pool_scratch(j.pool, thread, j.scratch));
  };
  if (work <= kInlineWork) {
    for (int64_t i = 0; i < units; ++i) task(&job, i, 0);
  } else {
    pool_run(pool, units, task, &job);
  }
}

}  // namespace mlxr::kernels::MLXR_ISA
