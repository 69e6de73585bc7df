// q_gemm, gated_mlp and get_rows.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// How the panels of an operation are divided into chunks.
struct Chunks {
  int64_t panels;  // in a chunk: about 1/6 of a thread's share, so that a thread that loses its core holds up little
  int64_t count;
  int threads;

  // `work` is the number of multiplications in all.
  Chunks(int64_t all_panels, int n_threads, int64_t work)
      : panels(n_threads == 1 || work <= kInlineWork ? imax(1, all_panels) : imax(1, all_panels / (6 * int64_t(n_threads)))),
        count((all_panels + panels - 1) / panels),
        threads(n_threads) {}

  // The chunk for the claim with this number. Threads that claim in turn each walk through one contiguous part of the matrix, which suits
  // the processor's prefetcher.
  int64_t of_claim(int64_t claim) const {
    const int64_t each = count / threads;
    return claim < each * threads ? claim % threads * each + claim / threads : claim;
  }
};

// x in the forms that the matrices of an operation take, in the pool's shared memory, of which Activations::size bytes are reserved.
inline Activations convert(mlxr_pool* pool, const float* x, int64_t n_tokens, int64_t k, const ActivationForms& forms) {
  if (!forms.bytes && !forms.bfloats) return Activations();
  Activations acts(pool_shared(pool), n_tokens, k, forms);
  constexpr int64_t kTokensPerChunk = 8;
  for_chunks(pool, (n_tokens + kTokensPerChunk - 1) / kTokensPerChunk, [&](int64_t chunk, int) {
    for (int64_t t = chunk * kTokensPerChunk; t < imin(n_tokens, (chunk + 1) * kTokensPerChunk); ++t) {
      if (forms.bytes) acts.quantize(x, t);
      if (forms.bfloats) acts.round(x, t);
    }
  });
  return acts;
}

// Calls use(y, at, row, count) for each vector of the product of the panels [begin, end) with all tokens: its `count` values belong at
// offset `at` of a (n_tokens, n) matrix; `row` is their first column there.
template <class Use>
inline void each_product(const Worker& worker, const Panels& w, int64_t begin, int64_t end, const float* x, const Activations& acts,
                         int64_t n_tokens, Use use) {
  const auto emit = [&](const F* out, int64_t panel, int64_t t, int tokens) __attribute__((always_inline)) {
    const int64_t row = panel * kLanes;
    const int count = int(imin(kLanes, w.n - row));
    for (int i = 0; i < tokens; ++i) use(out[i], (t + i) * w.n + row, row, count);
  };
  const int64_t tiled = tiled_products(worker, w, begin, end, acts, n_tokens, emit);
  F out[kMostPanels * kTileTokens];
  for (int64_t panel = begin; panel < end && tiled < n_tokens;) {
    const Step step(w.type, end - panel, n_tokens - tiled);
    for (int64_t t = tiled, tokens; t < n_tokens; t += tokens) {
      tokens = step.tokens_at(t, n_tokens, !is_float(w.type));
      panel_products(w, panel, step, x, acts, t, int(tokens), t == 0, out);
      for (int p = 0; p < step.panels; ++p) emit(out + p * kTileTokens, panel + p, t, int(tokens));
    }
    panel += step.panels;
  }
}

inline int32_t q_gemm(mlxr_pool* pool, const mlxr_gemm_args* args) {
  const int64_t n_tokens = args->n_tokens, k = args->k;
  ActivationForms forms;
  int64_t scratch = 0;
  for (int o = 0; o < args->n_outputs; ++o) {
    const uint32_t type = args->outputs[o].w.type;
    forms.add(type);
    scratch = imax(scratch, tiled_scratch(type, k, n_tokens));
  }
  if (!pool_reserve(pool, size_t(scratch), Activations::size(n_tokens, k, forms))) return 0;
  const Activations acts = convert(pool, args->x, n_tokens, k, forms);

  Panels matrices[4];
  int64_t first_panel[5] = {};  // of each output: the panels of all outputs are numbered consecutively
  int64_t rows = 0;
  for (int o = 0; o < args->n_outputs; ++o) {
    matrices[o] = Panels(args->outputs[o].w);
    first_panel[o + 1] = first_panel[o] + panel_count(matrices[o].n);
    rows += matrices[o].n;
  }
  const int64_t panels = first_panel[args->n_outputs];
  const Chunks chunks(panels, pool_threads(pool), rows * k * n_tokens);
  for_chunks(pool, chunks.count, [&](int64_t claim, int thread) {
    const int64_t chunk = chunks.of_claim(claim), end = imin((chunk + 1) * chunks.panels, panels);
    int o = 0;
    for (int64_t panel = chunk * chunks.panels; panel < end; panel = imin(end, first_panel[o + 1])) {
      while (panel >= first_panel[o + 1]) ++o;
      const mlxr_gemm_output& output = args->outputs[o];
      const int64_t first = first_panel[o];
      each_product({pool, thread}, matrices[o], panel - first, imin(end, first_panel[o + 1]) - first, args->x, acts, n_tokens,
                   [&](F y, int64_t at, int64_t row, int count) {
                     if (output.bias) y += load_some(output.bias + row, count);
                     if (output.residual) y += load_some(output.residual + at, count);
                     store_some(output.y + at, y, count);
                   });
    }
  });
  return 1;
}

inline int32_t gated_mlp(mlxr_pool* pool, const mlxr_gated_args* args) {
  const int64_t n_tokens = args->n_tokens, n = args->gate.n, k = args->gate.k;
  ActivationForms forms;
  forms.add(args->gate.type);
  forms.add(args->up.type);
  const int64_t scratch = imax(tiled_scratch(args->gate.type, k, n_tokens), tiled_scratch(args->up.type, k, n_tokens));
  if (!pool_reserve(pool, size_t(scratch), Activations::size(n_tokens, k, forms))) return 0;
  const Activations acts = convert(pool, args->x, n_tokens, k, forms);

  const Panels gate_panels(args->gate), up_panels(args->up);
  const int64_t panels = panel_count(n);
  const Chunks chunks(panels, pool_threads(pool), 2 * n * k * n_tokens);
  for_chunks(pool, chunks.count, [&](int64_t claim, int thread) {
    // One matrix after the other: each is read as one stream.
    const int64_t begin = chunks.of_claim(claim) * chunks.panels, end = imin(begin + chunks.panels, panels);
    each_product({pool, thread}, gate_panels, begin, end, args->x, acts, n_tokens, [&](F gate, int64_t at, int64_t row, int count) {
      if (args->gate_bias) gate += load_some(args->gate_bias + row, count);
      store_some(args->y + at, activate(gate, args->activation), count);
    });
    each_product({pool, thread}, up_panels, begin, end, args->x, acts, n_tokens, [&](F up, int64_t at, int64_t row, int count) {
      if (args->up_bias) up += load_some(args->up_bias + row, count);
      store_some(args->y + at, gated(load_some(args->y + at, count), up, args->activation), count);
    });
  });
  return 1;
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
      const auto scales = P::scales(block, part);
      P::each_vector(block, part, [&](int vector, PanelBytes words) {
        uint8_t bytes[kVector];
        store(bytes, words);
        const int group = vector * P::kGroups / 8;
        for (int i = 0; i < 4; ++i) {
          const uint8_t u = bytes[4 * lane + i];
          float value = scales.scale[group][lane] * float((P::kSigned ? int8_t(u) : u) - P::kCentre);
          if constexpr (P::kHasMin) value += scales.offset[group][lane];
          y[4 * vector + i] = value * factor;
        }
      });
    }
  });
}

inline void get_rows(mlxr_pool* pool, const mlxr_get_rows_args* args) {
  for_rows(pool, args->n_ids, args->n_ids * args->w.k,
           [&](int64_t i) { decode_row(args->w, args->ids[i], args->scale, args->y + i * args->w.k); });
}

}  // namespace mlxr::kernels::MLXR_ISA
