// The parts of recurrent layers: the convolution of a token with those before it, and the scan of linear attention. Both go token by token,
// so that a text has the same bits however it is divided into steps; what they work on stays in the first-level cache meanwhile.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// The blocks of the states of one sequence, one after the other in memory, `size` floats each.
struct StatePath {
  StatePath(const mlxr_sequence& its_sequence, const mlxr_states& its_states)
      : sequence(its_sequence), states(its_states), begin(its_sequence.length - its_sequence.count) {}

  // The state before the new tokens; null: zeros.
  const float* before() const { return begin == 0 ? nullptr : at(begin - 1); }
  // Where the state behind new token i belongs; null: it is not kept.
  float* behind(int64_t i) const {
    const int64_t end = begin + i + 1;
    return end == sequence.length || end % states.block_tokens == 0 ? at(end - 1) : nullptr;
  }

 private:
  float* at(int64_t position) const {
    const int64_t block = sequence.pages[position / states.block_tokens];
    return block < 0 ? nullptr : states.data + block * states.size;
  }

  const mlxr_sequence& sequence;
  const mlxr_states& states;
  const int64_t begin;
};

inline void convolve(mlxr_pool* pool, const mlxr_convolve_args* args) {
  constexpr int64_t kChunk = 256;  // columns
  const int64_t columns = args->columns, before = args->taps - 1, chunks = (columns + kChunk - 1) / kChunk;
  for_chunks(pool, args->n_sequences * chunks, [=](int64_t unit, int) {
    const mlxr_sequence& s = args->sequences[unit / chunks];
    const int64_t first = unit % chunks * kChunk, width = imin(kChunk, columns - first);
    const StatePath path(s, args->inputs);
    float past[MLXR_MAX_TAPS - 1][kChunk] = {};  // the inputs before the new tokens
    if (const float* from = path.before())
      for (int64_t r = 0; r < before; ++r) std::memcpy(past[r], from + r * columns + first, size_t(width) * 4);
    const auto input = [&](int64_t i) { return i < 0 ? past[before + i] : args->x + (s.first + i) * columns + first; };
    for (int64_t i = 0; i < s.count; ++i) {
      float* y = args->y + (s.first + i) * columns + first;
      for (int64_t c = 0; c < width; c += kLanes) {
        const int n = int(imin(kLanes, width - c));
        F sum = args->bias ? load_some(args->bias + first + c, n) : F{};
        for (int64_t tap = 0; tap <= before; ++tap)
          sum += load_some(args->weight + tap * columns + first + c, n) * load_some(input(i - before + tap) + c, n);
        store_some(y + c, sum, n);
      }
      if (float* to = path.behind(i))
        for (int64_t r = 0; r < before; ++r) std::memcpy(to + r * columns + first, input(i + 1 - before + r), size_t(width) * 4);
    }
  });
}

// log(1 + exp(x))
inline float softplus(float x) { return x > 20.0f ? x : __builtin_log1pf(__builtin_expf(x)); }

// A vector of `dim` values, times `factor`, or divided by its length and then times it.
inline void copy_vector(const float* x, int64_t dim, bool normalised, float factor, float* y) {
  if (normalised) {
    float squares = 0;
    for (int64_t i = 0; i < dim; ++i) squares += x[i] * x[i];
    factor /= __builtin_sqrtf(squares + 1e-6f);
  }
  for (int64_t i = 0; i < dim; ++i) y[i] = x[i] * factor;
}

// Some columns of the matrix of one head: kVectors vectors of them, of which only the first `count` values are there.
template <int kVectors>
inline void scan_columns(const mlxr_scan_args& args, const mlxr_sequence& s, int64_t head, int64_t column, int64_t count) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const int64_t keys = args.key_dim, values = args.value_dim, in_block = head * keys * values + column;
  const int64_t key_head = args.tiled ? head % args.n_key_heads : head / (args.n_heads / args.n_key_heads);
  const bool delta = args.strengths != nullptr;
  const float query_scale = delta ? 1.0f / __builtin_sqrtf(float(keys)) : 1.0f;
  const StatePath path(s, args.matrices);
  const auto valid = [count](int v) { return int(imax(0, imin(kLanes, count - v * kLanes))); };

  float matrix[MLXR_MAX_KEY_DIM * kWidth], k[MLXR_MAX_KEY_DIM], q[MLXR_MAX_KEY_DIM];
  const float* from = path.before();
  for (int64_t d = 0; d < keys; ++d)
    for (int v = 0; v < kVectors; ++v)
      store(matrix + d * kWidth + v * kLanes, from ? load_some(from + in_block + d * values + v * kLanes, valid(v)) : F{});
  for (int64_t i = 0; i < s.count; ++i) {
    const int64_t token = s.first + i, number = token * args.n_heads + head;
    const float* x = args.x + token * args.columns;
    const float step = softplus(args.steps[number] + args.biases[head]), decay = __builtin_expf(args.rates[head] * step);
    const float strength = delta ? 1.0f / (1.0f + __builtin_expf(-args.strengths[number])) : step;
    copy_vector(x + args.key_at + key_head * keys, keys, delta, 1.0f, k);
    copy_vector(x + args.query_at + key_head * keys, keys, delta, query_scale, q);
    F value[kVectors], change[kVectors], y[kVectors] = {};
    for (int v = 0; v < kVectors; ++v) value[v] = change[v] = load_some(x + args.value_at + head * values + column + v * kLanes, valid(v));
    if (delta) {
      F known[kVectors] = {};
      for (int64_t d = 0; d < keys; ++d)
        for (int v = 0; v < kVectors; ++v) known[v] += load<F>(matrix + d * kWidth + v * kLanes) * k[d];
      for (int v = 0; v < kVectors; ++v) change[v] -= known[v] * decay;
    }
    for (int v = 0; v < kVectors; ++v) change[v] *= strength;
    for (int64_t d = 0; d < keys; ++d) {
      for (int v = 0; v < kVectors; ++v) {
        float* at = matrix + d * kWidth + v * kLanes;
        const F next = load<F>(at) * decay + change[v] * k[d];
        store(at, next);
        y[v] += next * q[d];
      }
    }
    float* to_y = args.y + number * values + column;
    for (int v = 0; v < kVectors; ++v) store_some(to_y + v * kLanes, args.skip ? y[v] + value[v] * args.skip[head] : y[v], valid(v));
    float* to = path.behind(i);
    for (int64_t d = 0; to && d < keys; ++d)
      for (int v = 0; v < kVectors; ++v)
        store_some(to + in_block + d * values + v * kLanes, load<F>(matrix + d * kWidth + v * kLanes), valid(v));
  }
}

inline void scan(mlxr_pool* pool, const mlxr_scan_args* args) {
  constexpr int kVectors = 4;
  constexpr int64_t kWidth = kVectors * kLanes;
  const int64_t parts = (args->value_dim + kWidth - 1) / kWidth;
  for_chunks(pool, args->n_sequences * args->n_heads * parts, [=](int64_t unit, int) {
    const int64_t column = unit % parts * kWidth;
    scan_columns<kVectors>(*args, args->sequences[unit / parts / args->n_heads], unit / parts % args->n_heads, column,
                           imin(kWidth, args->value_dim - column));
  });
}

}  // namespace mlxr::kernels::MLXR_ISA
