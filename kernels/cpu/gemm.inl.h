// q_gemm, gated_mlp and get_rows.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// Below this many multiplications an operation runs on the caller alone: waking a worker costs more.
inline constexpr int64_t kInlineWork = 64 * 1024;

// Panels of a chunk: about 1/6 of a thread's share, so that a thread that loses its core holds little.
inline int64_t chunk_panels(int64_t panels, int threads, int64_t work) {
  if (threads == 1 || work <= kInlineWork) return imax(1, panels);
  return imax(1, panels / (6 * int64_t(threads)));
}

// The chunk that claim number `claim` of n takes. Threads that claim in turns so walk through a part of the matrix each, without gaps: the
// processor fetches ahead of them.
inline int64_t chunk_of(int64_t claim, int64_t n, int threads) {
  const int64_t each = n / threads;
  return claim < each * threads ? claim % threads * each + claim / threads : claim;
}

// The first `count` values at p; all of them nearly always.
inline F load_some(const float* p, int count) {
  if (count == kLanes) return load<F>(p);
  F v{};
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
inline void store_some(float* p, F v, int count) {
  if (count == kLanes) return store(p, v);
  for (int i = 0; i < count; ++i) p[i] = v[i];
}

// x in the form in which matrices of these types take it; made on all threads when there is much of it.
inline Activations activations(mlxr_pool* pool, const float* x, int64_t n_tokens, int64_t k, ActivationForms forms) {
  if (!forms.bytes && !forms.bfloats) return Activations();
  struct Job {
    Activations a;
    const float* x;
    ActivationForms forms;
  } job{Activations(pool_shared(pool, 0, Activations::size(n_tokens, k, forms)), n_tokens, k, forms), x, forms};
  constexpr int64_t kTokensPerChunk = 8;
  const auto task = [](void* p, int64_t chunk, int) {
    Job& j = *static_cast<Job*>(p);
    for (int64_t t = chunk * kTokensPerChunk; t < imin(j.a.n_tokens, (chunk + 1) * kTokensPerChunk); ++t) {
      if (j.forms.bytes) j.a.quantize(j.x, t);
      if (j.forms.bfloats) j.a.round(j.x, t);
    }
  };
  pool_run(pool, (n_tokens + kTokensPerChunk - 1) / kTokensPerChunk, task, &job);
  return job.a;
}

// Calls use(y, at, row, count) for each vector of the product of the panels [begin, end) with all tokens: its `count` values belong at
// offset `at` of a (n_tokens, n) matrix; `row` is their first column there.
template <class Use>
inline void each_product(const Worker& worker, const Panels& w, int64_t begin, int64_t end, const float* x, const Activations& a,
                         int64_t n_tokens, Use use) {
  const auto emit = [&](const F* out, int64_t panel, int64_t t, int tokens) __attribute__((always_inline)) {
    const int64_t row = panel * kLanes;
    const int count = int(imin(kLanes, w.n - row));
    for (int i = 0; i < tokens; ++i) use(out[i], (t + i) * w.n + row, row, count);
  };
  const int64_t tiled = tiled_products(worker, w, begin, end, a, n_tokens, emit);
  F out[2 * kTileTokens];
  for (int64_t panel = begin; panel < end && tiled < n_tokens;) {
    const Step step(w.type, end - panel, n_tokens - tiled);
    for (int64_t t = tiled; t < n_tokens; t += step.tokens) {
      const int tokens = int(imin(step.tokens, n_tokens - t));
      panel_products(w, panel, step, x, a, t, tokens, out);
      for (int p = 0; p < step.panels; ++p) emit(out + p * kTileTokens, panel + p, t, tokens);
    }
    panel += step.panels;
  }
}

inline void q_gemm(mlxr_pool* pool, const mlxr_gemm_args* args) {
  struct Job {
    mlxr_pool* pool;
    const mlxr_gemm_args* args;
    Activations a;
    Panels panels[4];
    int64_t first_panel[5];  // of each output; panels of all outputs are numbered in one row
    int64_t per_chunk, chunks;
  };
  ActivationForms forms;
  int64_t panels = 0, rows = 0;
  Job job{pool, args, Activations(), {}, {}, 1, 1};
  for (int o = 0; o < args->n_outputs; ++o) {
    const mlxr_matrix& w = args->outputs[o].w;
    forms.add(w.type);
    rows += w.n;
    job.panels[o] = Panels(w);
    job.first_panel[o] = panels;
    panels += panel_count(w.n);
  }
  job.first_panel[args->n_outputs] = panels;
  job.a = activations(pool, args->x, args->n_tokens, args->k, forms);
  job.per_chunk = chunk_panels(panels, pool_threads(pool), rows * args->k * args->n_tokens);
  job.chunks = (panels + job.per_chunk - 1) / job.per_chunk;
  const auto task = [](void* context, int64_t claim, int thread) {
    const Job& j = *static_cast<const Job*>(context);
    const mlxr_gemm_args& g = *j.args;
    const int64_t chunk = chunk_of(claim, j.chunks, pool_threads(j.pool));
    const int64_t end = imin((chunk + 1) * j.per_chunk, j.first_panel[g.n_outputs]);
    int o = 0;
    for (int64_t panel = chunk * j.per_chunk; panel < end; panel = imin(end, j.first_panel[o + 1])) {
      while (panel >= j.first_panel[o + 1]) ++o;
      const mlxr_gemm_output& output = g.outputs[o];
      const int64_t first = j.first_panel[o];
      each_product({j.pool, thread}, j.panels[o], panel - first, imin(end, j.first_panel[o + 1]) - first, g.x, j.a, g.n_tokens,
                   [&](F y, int64_t at, int64_t row, int count) {
                     if (output.bias) y += load_some(output.bias + row, count);
                     if (output.residual) y += load_some(output.residual + at, count);
                     store_some(output.y + at, y, count);
                   });
    }
  };
  pool_run(pool, job.chunks, task, &job);
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
    mlxr_pool* pool;
    const mlxr_gated_args* args;
    Activations a;
    Panels gate, up;
    int64_t panels, per_chunk, chunks;
  };
  const int64_t n = args->gate.n, k = args->gate.k, panels = panel_count(n);
  ActivationForms forms;
  forms.add(args->gate.type);
  forms.add(args->up.type);
  Job job{pool, args, activations(pool, args->x, args->n_tokens, k, forms), Panels(args->gate), Panels(args->up), panels, 1, 1};
  job.per_chunk = chunk_panels(panels, pool_threads(pool), 2 * n * k * args->n_tokens);
  job.chunks = (panels + job.per_chunk - 1) / job.per_chunk;
  const auto task = [](void* context, int64_t claim, int thread) {
    const Job& j = *static_cast<const Job*>(context);
    const mlxr_gated_args& g = *j.args;
    const int64_t chunk = chunk_of(claim, j.chunks, pool_threads(j.pool));
    // The one matrix and then the other: each is a stream of its own.
    const int64_t begin = chunk * j.per_chunk, end = imin(begin + j.per_chunk, j.panels);
    each_product({j.pool, thread}, j.gate, begin, end, g.x, j.a, g.n_tokens, [&](F gate, int64_t at, int64_t row, int count) {
      if (g.gate_bias) gate += load_some(g.gate_bias + row, count);
      store_some(g.y + at, activate(gate, g.activation), count);
    });
    each_product({j.pool, thread}, j.up, begin, end, g.x, j.a, g.n_tokens, [&](F up, int64_t at, int64_t row, int count) {
      if (g.up_bias) up += load_some(g.up_bias + row, count);
      store_some(g.y + at, load_some(g.y + at, count) * up, count);
    });
  };
  pool_run(pool, job.chunks, task, &job);
}

// Row `row` of w, times factor.
inline void decode_row(const mlxr_matrix& w, int64_t row, float factor, float* y) {
  const uint8_t* panel = static_cast<const uint8_t*>(w.panels) + row / kLanes * panel_size(w.type, w.k);
  const int lane = int(row % kLanes);
  switch (static_cast<Type>(w.type)) {
    case Type::kF32:
      for (int64_t c = 0; c < w.k; ++c) y[c] = load<float>(panel + 4 * (c * kLanes + lane)) * factor;
      return;
    case Type::kF16:
      for (int64_t c = 0; c < w.k; ++c) y[c] = half(load<uint16_t>(panel + 2 * (c * kLanes + lane))) * factor;
      return;
    case Type::kBF16:
      for (int64_t c = 0; c < w.k; ++c) y[c] = bfloat(load<uint16_t>(panel + 2 * float_at(w.type, c, lane))) * factor;
      return;
    default: break;
  }
  with_panel(w.type, [&](auto format) {
    using P = decltype(format);
    for (int64_t b = 0; b < w.k / 32; ++b, y += 32) {
      const uint8_t* block = panel + b / P::kParts * P::kBlockBytes;
      const int part = int(b % P::kParts);
      const auto s = P::scales(block, part);
      P::each_vector(block, part, [&](int j, PanelBytes words) {
        uint8_t bytes[kVector];
        store(bytes, words);
        const int g = j * P::kGroups / 8;
        for (int i = 0; i < 4; ++i) {
          const uint8_t u = bytes[4 * lane + i];
          y[4 * j + i] = (s.scale[g][lane] * (P::kSigned ? float(int8_t(u)) : float(u)) + s.offset[g][lane]) * factor;
        }
      });
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
