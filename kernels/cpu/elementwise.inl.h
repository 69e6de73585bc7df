// Norms, activations, rotations and rope: one or two passes over memory each; threads only where there are as many rows as a prompt has.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// Below this many multiplications an operation runs on the caller alone: waking a worker costs more.
inline constexpr int64_t kInlineWork = 64 * 1024;

// Calls body(row) for each row of n_rows, `work` values in all, on the caller or on all threads. There is one copy of its code for both:
// the compiler chooses which of two products it fuses with their sum, and must not choose differently for a prompt than for a token.
template <class Body>
inline void for_rows(mlxr_pool* pool, int64_t n_rows, int64_t work, const Body& body) {
  const bool alone = work <= kInlineWork || pool_threads(pool) == 1;
  const int64_t per_chunk = alone ? n_rows : imax(1, n_rows / (8 * int64_t(pool_threads(pool))));
  for_chunks(pool, per_chunk == 0 ? 0 : (n_rows + per_chunk - 1) / per_chunk, [&](int64_t chunk, int) {
    for (int64_t i = chunk * per_chunk; i < imin(n_rows, (chunk + 1) * per_chunk); ++i) body(i);
  });
}

inline void rms_norm(mlxr_pool* pool, const mlxr_rms_norm_args* args) {
  for_rows(pool, args->rows, args->rows * args->d, [args](int64_t row) {
    const int64_t d = args->d, whole = d / kLanes * kLanes;
    const float* x = args->x + row * d;
    float* y = args->y + row * d;
    F squares[2] = {};
    int64_t i = 0;
    for (; i + 2 * kLanes <= d; i += 2 * kLanes) {
      const F a = load<F>(x + i), b = load<F>(x + i + kLanes);
      squares[0] += a * a;
      squares[1] += b * b;
    }
    float rest = 0;
    for (; i < d; ++i) rest += x[i] * x[i];
    const float factor = 1.0f / __builtin_sqrtf((sum(squares[0] + squares[1]) + rest) / float(d) + args->eps);
    if (args->residual) {
      const float* residual = args->residual + row * d;
      for (i = 0; i < whole; i += kLanes) store(y + i, load<F>(x + i) * factor * load<F>(args->weight + i) + load<F>(residual + i));
      for (; i < d; ++i) y[i] = x[i] * factor * args->weight[i] + residual[i];
    } else {
      for (i = 0; i < whole; i += kLanes) store(y + i, load<F>(x + i) * factor * load<F>(args->weight + i));
      for (; i < d; ++i) y[i] = x[i] * factor * args->weight[i];
    }
  });
}

inline void layer_norm(mlxr_pool* pool, const mlxr_layer_norm_args* args) {
  for_rows(pool, args->rows, args->rows * args->d, [args](int64_t row) {
    const int64_t d = args->d, whole = d / kLanes * kLanes, at = row % args->n_weights * d;
    const float *x = args->x + row * d, *weight = args->weight + at, *bias = args->bias ? args->bias + at : nullptr;
    const float* residual = args->residual ? args->residual + row * d : nullptr;
    float* y = args->y + row * d;
    F sums = {};
    float rest = 0;
    for (int64_t i = 0; i < whole; i += kLanes) sums += load<F>(x + i);
    for (int64_t i = whole; i < d; ++i) rest += x[i];
    const float mean = (sum(sums) + rest) / float(d);
    F squares = {};
    rest = 0;
    for (int64_t i = 0; i < whole; i += kLanes) {
      const F from_mean = load<F>(x + i) - mean;
      squares += from_mean * from_mean;
    }
    for (int64_t i = whole; i < d; ++i) rest += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / __builtin_sqrtf((sum(squares) + rest) / float(d) + args->eps);
    for (int64_t i = 0; i < d; i += kLanes) {
      const int count = int(imin(kLanes, d - i));
      F value = (load_some(x + i, count) - mean) * factor * load_some(weight + i, count);
      if (bias) value += load_some(bias + i, count);
      if (residual) value += load_some(residual + i, count);
      store_some(y + i, value, count);
    }
  });
}

inline F least(F a, F b) { return b < a ? b : a; }  // a NaN in a stays

inline F activate(F x, mlxr_activation activation) {
  if (activation == MLXR_ACT_SILU) return x / (1.0f + vexp(-x));
  if (activation == MLXR_ACT_CLAMPED_SWIGLU) {
    const F low = least(x, set1(7.0f));
    return low / (1.0f + vexp(-1.702f * low));
  }
  if (activation == MLXR_ACT_SIGMOID) return 1.0f / (1.0f + vexp(-x));
  if (activation == MLXR_ACT_NONE) return x;
  if (activation == MLXR_ACT_SQUARED_RELU) return vmax(x, F{}) * vmax(x, F{});
  if (activation == MLXR_ACT_GELU) return 0.5f * x * (1.0f + verf(0.70710678f * x));
  return 0.5f * x * (1.0f + vtanh(0.79788456f * (x + 0.044715f * x * x * x)));  // MLXR_ACT_GELU_TANH
}

// Calls y = body(x, i) for the vectors of each row; i is the index of its first value. `work` as for for_rows.
template <class Body>
inline void for_vectors(mlxr_pool* pool, const float* x, int64_t rows, int64_t n, float* y, const Body& body) {
  constexpr int64_t kWorkOfAValue = 8;  // an exponential takes as long as so many multiplications
  for_rows(pool, rows, rows * n * kWorkOfAValue, [&](int64_t row) {
    for (int64_t i = row * n; i < (row + 1) * n; i += kLanes) {
      const int count = int(imin(kLanes, (row + 1) * n - i));
      store_some(y + i, body(load_some(x + i, count), i, count), count);
    }
  });
}

// An activated gate times what it multiplies.
inline F gated(F gate, F times, mlxr_activation activation) {
  if (activation == MLXR_ACT_CLAMPED_SWIGLU) times = least(-least(-times, set1(7.0f)), set1(7.0f)) + 1.0f;
  return gate * times;
}

inline void activate(mlxr_pool* pool, const mlxr_activate_args* args) {
  for_vectors(pool, args->x, args->rows, args->n, args->y, [args](F x, int64_t at, int count) {
    const F y = activate(x, args->activation);
    return args->times ? gated(y, load_some(args->times + at, count), args->activation) : y;
  });
}

inline void softcap(mlxr_pool* pool, const mlxr_softcap_args* args) {
  for_vectors(pool, args->x, args->rows, args->n, args->y, [cap = args->cap](F x, int64_t, int) { return cap * vtanh(x / cap); });
}

inline void rotations(mlxr_pool* pool, const mlxr_rotations_args* args) {
  constexpr int64_t kWorkOfAnAngle = 32;  // a cosine and a sine take as long as so many multiplications
  for_rows(pool, args->n_tokens, args->n_tokens * args->n_pairs * kWorkOfAnAngle, [args](int64_t token) {
    const float position = float(args->positions[token]);
    for (int64_t i = 0; i < args->n_pairs; ++i) {
      const float angle = position * args->frequencies[i];
      args->cosines[token * args->n_pairs + i] = __builtin_cosf(angle) * args->magnitude;
      args->sines[token * args->n_pairs + i] = __builtin_sinf(angle) * args->magnitude;
    }
  });
}

// The rotations of the pairs of one head: pair i is (i, i + n_pairs).
inline void rotate_halves(const float* x, const float* cosines, const float* sines, int64_t n_pairs, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= n_pairs; i += kLanes) {
    const F x0 = load<F>(x + i), x1 = load<F>(x + i + n_pairs), cosine = load<F>(cosines + i), sine = load<F>(sines + i);
    store(y + i, x0 * cosine - x1 * sine);
    store(y + i + n_pairs, x0 * sine + x1 * cosine);
  }
  for (; i < n_pairs; ++i) {
    const float x0 = x[i], x1 = x[i + n_pairs];
    y[i] = x0 * cosines[i] - x1 * sines[i];
    y[i + n_pairs] = x0 * sines[i] + x1 * cosines[i];
  }
}

// The same where pair i is (2i, 2i + 1). Pairs go through arrays of their own, as y may be x: so the compiler can use whole vectors.
inline void rotate_neighbours(const float* x, const float* cosines, const float* sines, int64_t n_pairs, float* y) {
  constexpr int64_t kPairs = 32;
  const auto rotate = [&](int64_t first, int64_t pairs) __attribute__((always_inline)) {
    float x0[kPairs], x1[kPairs], y0[kPairs], y1[kPairs];
    for (int64_t i = 0; i < pairs; ++i) {
      x0[i] = x[2 * (first + i)];
      x1[i] = x[2 * (first + i) + 1];
    }
    for (int64_t i = 0; i < pairs; ++i) {
      y0[i] = x0[i] * cosines[first + i] - x1[i] * sines[first + i];
      y1[i] = x0[i] * sines[first + i] + x1[i] * cosines[first + i];
    }
    for (int64_t i = 0; i < pairs; ++i) {
      y[2 * (first + i)] = y0[i];
      y[2 * (first + i) + 1] = y1[i];
    }
  };
  int64_t first = 0;
  for (; first + kPairs <= n_pairs; first += kPairs) rotate(first, kPairs);
  if (first < n_pairs) rotate(first, n_pairs - first);
}

inline void rope(mlxr_pool* pool, const mlxr_rope_args* args) {
  const auto rotate = args->interleaved ? rotate_neighbours : rotate_halves;
  for_rows(pool, args->n_tokens, args->n_tokens * args->n_heads * args->head_dim * 4, [&](int64_t token) {
    const float *cosines = args->cosines + token * args->n_pairs, *sines = args->sines + token * args->n_pairs;
    for (int64_t h = 0; h < args->n_heads; ++h) {
      const int64_t head = (token * args->n_heads + h) * args->head_dim, rotated = 2 * args->n_pairs;
      const float* x = args->x + head;
      float* y = args->y + head;
      rotate(x, cosines, sines, args->n_pairs, y);
      if (x != y) std::memcpy(y + rotated, x + rotated, size_t(args->head_dim - rotated) * 4);
    }
  });
}

}  // namespace mlxr::kernels::MLXR_ISA
