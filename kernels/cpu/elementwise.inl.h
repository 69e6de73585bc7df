// rms_norm, rotations and rope: one pass over memory each; threads only where there are as many rows as a prompt has.
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

inline void rope(mlxr_pool* pool, const mlxr_rope_args* args) {
  for_rows(pool, args->n_tokens, args->n_tokens * args->n_heads * args->head_dim * 4, [args](int64_t token) {
    const float *cosine = args->cosines + token * args->n_pairs, *sine = args->sines + token * args->n_pairs;
    const int64_t step = args->interleaved ? 2 : 1, other = args->interleaved ? 1 : args->n_pairs, rotated = 2 * args->n_pairs;
    for (int64_t h = 0; h < args->n_heads; ++h) {
      const int64_t head = (token * args->n_heads + h) * args->head_dim;
      const float* x = args->x + head;
      float* y = args->y + head;
      for (int64_t i = 0; i < args->n_pairs; ++i) {
        const float x0 = x[i * step], x1 = x[i * step + other];
        y[i * step] = x0 * cosine[i] - x1 * sine[i];
        y[i * step + other] = x0 * sine[i] + x1 * cosine[i];
      }
      if (x != y) std::memcpy(y + rotated, x + rotated, size_t(args->head_dim - rotated) * 4);
    }
  });
}

}  // namespace mlxr::kernels::MLXR_ISA
