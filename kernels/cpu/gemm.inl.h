// q_gemm, gated_mlp and get_rows.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// Below this many multiplications an operation runs on the caller alone: waking a worker costs more.
inline constexpr int64_t kInlineWork = 64 * 1024;

// Rows of a chunk: about 1/6 of a thread's share, so that a thread that loses its core holds little, in whole tiles.
inline int64_t chunk_tiles(int64_t tiles, int threads, int64_t work) {
  if (threads == 1 || work <= kInlineWork) return imax(1, tiles);
  return imax(1, tiles / (6 * int64_t(threads)));
}

// Quantizes x for matrices of block formats; on all threads when there is much of it.
inline Activations quantize(mlxr_pool* pool, const float* x, int64_t n_tokens, int64_t k, bool needed) {
  if (!needed) return Activations(nullptr, 0, 0);
  struct Job {
    Activations a;
    const float* x;
  } job{Activations(pool_shared(pool, 0, Activations::bytes(n_tokens, k)), n_tokens, k), x};
  constexpr int64_t kTokensPerChunk = 8;
  const auto task = [](void* p, int64_t chunk, int) {
    Job& j = *static_cast<Job*>(p);
    for (int64_t t = chunk * kTokensPerChunk; t < imin(j.a.n_tokens, (chunk + 1) * kTokensPerChunk); ++t) j.a.quantize(j.x, t);
  };
  pool_run(pool, (n_tokens + kTokensPerChunk - 1) / kTokensPerChunk, task, &job);
  return job.a;
}

inline void q_gemm(mlxr_pool* pool, const mlxr_gemm_args* args) {
  struct Job {
    const mlxr_gemm_args* args;
    Activations a;
    int64_t first_tile[5];  // of each output; tiles of all outputs are numbered in one row
    int64_t per_chunk;
    mlxr_pool* pool;
  };
  bool quantized = false;
  int64_t tiles = 0, rows = 0;
  Job job{args, Activations(nullptr, 0, 0), {}, 1, pool};
  for (int o = 0; o < args->n_outputs; ++o) {
    const mlxr_matrix& w = args->outputs[o].w;
    quantized |= !is_float(w.type);
    rows += w.n;
    job.first_tile[o] = tiles;
    tiles += (w.n + kTileRows - 1) / kTileRows;
  }
  job.first_tile[args->n_outputs] = tiles;
  job.a = quantize(pool, args->x, args->n_tokens, args->k, quantized);
  job.per_chunk = chunk_tiles(tiles, pool_threads(pool), rows * args->k * args->n_tokens);
  const auto task = [](void* p, int64_t chunk, int thread) {
    const Job& j = *static_cast<const Job*>(p);
    const mlxr_gemm_args& g = *j.args;
    void* scratch = pool_scratch(j.pool, thread, rows_scratch(g.k));
    const int64_t end = imin((chunk + 1) * j.per_chunk, j.first_tile[g.n_outputs]);
    int o = 0;
    for (int64_t tile = chunk * j.per_chunk; tile < end; ++tile) {
      while (tile >= j.first_tile[o + 1]) ++o;
      const mlxr_gemm_output& output = g.outputs[o];
      const int64_t n = output.w.n, row = (tile - j.first_tile[o]) * kTileRows;
      const int count = int(imin(kTileRows, n - row));
      Rows matrix(output.w, scratch, g.n_tokens);
      matrix.select(row, count);
      Tile out;
      for (int64_t t = 0; t < g.n_tokens; t += kTileTokens) {
        const int tokens = int(imin(kTileTokens, g.n_tokens - t));
        matrix.multiply(g.x, j.a, t, tokens, out);
        for (int i = 0; i < tokens; ++i) {
          float* y = output.y + (t + i) * n + row;
          const float* residual = output.residual ? output.residual + (t + i) * n + row : nullptr;
          for (int r = 0; r < count; ++r) {
            float value = out[i][r];
            if (output.bias) value += output.bias[row + r];
            if (residual) value += residual[r];
            y[r] = value;
          }
        }
      }
    }
  };
  pool_run(pool, (tiles + job.per_chunk - 1) / job.per_chunk, task, &job);
}

inline F activate(F x, mlxr_activation activation) {
  switch (activation) {
    case MLXR_ACT_SILU: return x / (1.0f + vexp(-x));
    case MLXR_ACT_GELU_TANH: return 0.5f * x * (1.0f + vtanh(0.79788456f * (x + 0.044715f * x * x * x)));
    default: return x;
  }
}

inline void gated_mlp(mlxr_pool* pool, const mlxr_gated_args* args) {
  struct Job {
    const mlxr_gated_args* args;
    Activations a;
    int64_t tiles, per_chunk;
    mlxr_pool* pool;
  };
  const int64_t n = args->gate.n, k = args->gate.k, tiles = (n + kTileRows - 1) / kTileRows;
  Job job{args, quantize(pool, args->x, args->n_tokens, k, !is_float(args->gate.type) || !is_float(args->up.type)), tiles, 1, pool};
  job.per_chunk = chunk_tiles(tiles, pool_threads(pool), 2 * n * k * args->n_tokens);
  const auto task = [](void* p, int64_t chunk, int thread) {
    const Job& j = *static_cast<const Job*>(p);
    const mlxr_gated_args& g = *j.args;
    const size_t bytes = (rows_scratch(g.gate.k) + 63) / 64 * 64;
    uint8_t* scratch = static_cast<uint8_t*>(pool_scratch(j.pool, thread, 2 * bytes));
    Rows gate(g.gate, scratch, g.n_tokens), up(g.up, scratch + bytes, g.n_tokens);
    for (int64_t tile = chunk * j.per_chunk; tile < imin((chunk + 1) * j.per_chunk, j.tiles); ++tile) {
      const int64_t row = tile * kTileRows;
      const int count = int(imin(kTileRows, g.gate.n - row));
      gate.select(row, count);
      up.select(row, count);
      Tile left = {}, right = {};
      for (int64_t t = 0; t < g.n_tokens; t += kTileTokens) {
        const int tokens = int(imin(kTileTokens, g.n_tokens - t));
        gate.multiply(g.x, j.a, t, tokens, left);
        up.multiply(g.x, j.a, t, tokens, right);
        for (int i = 0; i < tokens; ++i) {
          for (int r = 0; r < kTileRows; r += kLanes)
            store(&left[i][r], activate(load<F>(&left[i][r]), g.activation) * load<F>(&right[i][r]));
          std::memcpy(g.y + (t + i) * g.gate.n + row, left[i], size_t(count) * 4);
        }
      }
    }
  };
  pool_run(pool, (tiles + job.per_chunk - 1) / job.per_chunk, task, &job);
}

inline void decode_row(const mlxr_matrix& w, int64_t row, float factor, float* y) {
  const uint8_t* p = static_cast<const uint8_t*>(w.data) + row * row_bytes(w.type, w.k);
  switch (static_cast<Type>(w.type)) {
    case Type::kF32:
      for (int64_t i = 0; i < w.k; ++i) y[i] = load<float>(p + 4 * i) * factor;
      return;
    case Type::kF16:
      for (int64_t i = 0; i < w.k; ++i) y[i] = half(load<uint16_t>(p + 2 * i)) * factor;
      return;
    case Type::kBF16:
      for (int64_t i = 0; i < w.k; ++i) y[i] = bfloat(load<uint16_t>(p + 2 * i)) * factor;
      return;
    default: break;
  }
  with_codec(w.type, [&](auto codec) {
    using C = decltype(codec);
    for (int64_t b = 0; b < w.k / 32; b += C::kBig ? 8 : 1) {
      float scales[16], offsets[16];
      const int blocks = C::kBig ? 8 : 1;
      C::scales(p + (C::kBig ? b / 8 : b) * C::kBytes, blocks, scales, offsets);
      for (int i = 0; i < blocks; ++i) {
        uint8_t u[32];
        store(u, C::quants(p, b + i));
        for (int v = 0; v < 32; ++v) {
          const int g = i * C::kGroups + v * C::kGroups / 32;
          const float q = C::kSigned ? float(int8_t(u[v])) : float(u[v]);
          y[32 * (b + i) + v] = (scales[g] * q + offsets[g]) * factor;
        }
      }
    }
  });
}

inline void get_rows(mlxr_pool* pool, const mlxr_get_rows_args* args) {
  const auto task = [](void* p, int64_t i, int) {
    const mlxr_get_rows_args& g = *static_cast<const mlxr_get_rows_args*>(p);
    decode_row(g.w, g.ids[i], g.scale, g.y + i * g.w.k);
  };
  mlxr_get_rows_args copy = *args;
  if (args->n_ids * args->w.k <= kInlineWork) {
    for (int64_t i = 0; i < args->n_ids; ++i) task(&copy, i, 0);
  } else {
    pool_run(pool, args->n_ids, task, &copy);
  }
}

}  // namespace mlxr::kernels::MLXR_ISA
