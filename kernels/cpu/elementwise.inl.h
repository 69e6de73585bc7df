// rms_norm, softmax and rope: one pass over memory each; threads only for a prompt's worth of rows.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// Calls body(row) for each row of n_rows, `work` values in all, on the caller or on all threads.
template <class Body>
inline void for_rows(mlxr_pool* pool, int64_t n_rows, int64_t work, const Body& body) {
  if (work <= kInlineWork || pool_threads(pool) == 1) {
    for (int64_t i = 0; i < n_rows; ++i) body(i);
    return;
  }
  struct Job {
    const Body* body;
    int64_t n_rows, per_chunk;
  } job{&body, n_rows, imax(1, n_rows / (8 * int64_t(pool_threads(pool))))};
  const auto task = [](void* p, int64_t chunk, int) {
    const Job& j = *static_cast<const Job*>(p);
    for (int64_t i = chunk * j.per_chunk; i < imin(j.n_rows, (chunk + 1) * j.per_chunk); ++i) (*j.body)(i);
  };
  pool_run(pool, (n_rows + job.per_chunk - 1) / job.per_chunk, task, &job);
}

inline void rms_norm(mlxr_pool* pool, const mlxr_rms_norm_args* args) {
  const mlxr_rms_norm_args& g = *args;
  for_rows(pool, g.rows, g.rows * g.d, [&g](int64_t row) {
    const int64_t d = g.d, whole = d / kLanes * kLanes;
    const float* x = g.x + row * d;
    float* y = g.y + row * d;
    F squares[2] = {};
    int64_t i = 0;
    for (; i + 2 * kLanes <= d; i += 2 * kLanes) {
      const F a = load<F>(x + i), b = load<F>(x + i + kLanes);
      squares[0] += a * a;
      squares[1] += b * b;
    }
    float rest = 0;
    for (; i < d; ++i) rest += x[i] * x[i];
    const float factor = 1.0f / __builtin_sqrtf((sum(squares[0] + squares[1]) + rest) / float(d) + g.eps);
    if (g.residual) {
      const float* residual = g.residual + row * d;
      for (i = 0; i < whole; i += kLanes) store(y + i, load<F>(x + i) * factor * load<F>(g.weight + i) + load<F>(residual + i));
      for (; i < d; ++i) y[i] = x[i] * factor * g.weight[i] + residual[i];
    } else {
      for (i = 0; i < whole; i += kLanes) store(y + i, load<F>(x + i) * factor * load<F>(g.weight + i));
      for (; i < d; ++i) y[i] = x[i] * factor * g.weight[i];
    }
  });
}

// p = exp(x - top), in place or not; returns the sum. Scores of minus infinity become 0.
inline float exp_row(const float* x, float top, int64_t d, float* p) {
  F total{};
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    const F e = vexp(load<F>(x + i) - top);
    store(p + i, e);
    total += e;
  }
  float rest = 0;
  if (i < d) {
    float tail[kLanes] = {};
    std::memcpy(tail, x + i, size_t(d - i) * 4);
    store(tail, vexp(load<F>(tail) - top));
    for (int j = 0; j < kLanes && i + j < d; ++j) rest += p[i + j] = tail[j];
  }
  return sum(total) + rest;
}

inline float row_max(const float* x, int64_t d) {
  F top = set1(-INFINITY);
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) top = vmax(top, load<F>(x + i));
  float m = max_of(top);
  for (int j = 0; j < kLanes && i + j < d; ++j) m = smax(m, x[i + j]);
  return m;
}

inline void softmax(mlxr_pool* pool, const mlxr_softmax_args* args) {
  const mlxr_softmax_args& g = *args;
  for_rows(pool, g.rows, g.rows * g.d * 4, [&g](int64_t row) {
    const float* x = g.x + row * g.d;
    float* y = g.y + row * g.d;
    const float inverse = 1.0f / exp_row(x, row_max(x, g.d), g.d, y);
    for (int64_t i = 0; i < g.d; ++i) y[i] *= inverse;
  });
}

inline void rope(mlxr_pool* pool, const mlxr_rope_args* args) {
  const mlxr_rope_args& g = *args;
  for_rows(pool, g.n_tokens, g.n_tokens * g.n_heads * g.head_dim * 4, [&g](int64_t token) {
    const float position = float(g.positions[token]);
    constexpr int64_t kPairs = 64;  // angles at a time: a token's heads share them
    for (int64_t first = 0; first < g.n_pairs; first += kPairs) {
      const int64_t pairs = imin(kPairs, g.n_pairs - first);
      float cosine[kPairs], sine[kPairs];
      for (int64_t i = 0; i < pairs; ++i) {
        const float angle = position * g.frequencies[first + i];
        cosine[i] = __builtin_cosf(angle) * g.magnitude;
        sine[i] = __builtin_sinf(angle) * g.magnitude;
      }
      for (int64_t h = 0; h < g.n_heads; ++h) {
        const int64_t head = (token * g.n_heads + h) * g.head_dim;
        const int64_t step = g.interleaved ? 2 : 1, other = g.interleaved ? 1 : g.n_pairs;
        const float* x = g.x + head + first * step;
        float* y = g.y + head + first * step;
        for (int64_t i = 0; i < pairs; ++i) {
          const float x0 = x[i * step], x1 = x[i * step + other];
          y[i * step] = x0 * cosine[i] - x1 * sine[i];
          y[i * step + other] = x0 * sine[i] + x1 * cosine[i];
        }
      }
    }
    if (g.x != g.y && 2 * g.n_pairs < g.head_dim) {
      for (int64_t h = 0; h < g.n_heads; ++h) {
        const int64_t at = (token * g.n_heads + h) * g.head_dim + 2 * g.n_pairs;
        std::memcpy(g.y + at, g.x + at, size_t(g.head_dim - 2 * g.n_pairs) * 4);
      }
    }
  });
}

}  // namespace mlxr::kernels::MLXR_ISA
