// The recurrent operations as MLX expressions: token by token, as they are defined.
#include <mlx/ops.h>

#include <algorithm>
#include <utility>

#include "core/ops/mlx_ops.h"

namespace mlxr::ops {
namespace {

mx::array rows_of(const mx::array& x, int first, int count) { return mx::slice(x, {first, 0}, {first + count, x.shape(1)}); }

// The state in a block, or zeros.
mx::array load(const mx::array& blocks, int block) {
  const mx::Shape shape(blocks.shape().begin() + 1, blocks.shape().end());
  return block < 0 ? mx::zeros(shape, mx::float32) : mx::take(blocks, mx::array(block), 0);
}

// `blocks` is the only reference to its memory, which can be used again.
mx::array store(mx::array blocks, int block, const mx::array& state) {
  mx::Shape from(blocks.ndim(), 0), to = blocks.shape();
  from[0] = block;
  to[0] = block + 1;
  return mx::slice_update(std::move(blocks), mx::expand_dims(state, 0), from, to);
}

// Divided by their lengths. The number is that of the models' own code.
mx::array unit(const mx::array& x) { return mx::multiply(x, mx::rsqrt(mx::add(mx::sum(mx::square(x), -1, true), mx::array(1e-6f)))); }

mx::array softplus(const mx::array& x) { return mx::logaddexp(x, mx::array(0.0f)); }

// The columns of the input that hold `heads` vectors, for each head of the scan.  (T, H, dim)
mx::array heads_of(const mx::array& x, int at, int heads, int dim, const ScanShape& shape) {
  const int tokens = x.shape(0), share = shape.heads / heads;
  const auto vectors = mx::reshape(mx::slice(x, {0, at}, {tokens, at + heads * dim}), {tokens, heads, dim});
  if (share == 1) return vectors;
  return shape.tiled ? mx::tile(vectors, {1, share, 1}) : mx::repeat(vectors, share, 1);
}

}  // namespace

mx::array MlxOps::convolve(const Step& step, LayerState& state, const mx::array& x, const mx::array& weight,
                           const std::optional<mx::array>& bias) const {
  const int taps = state.shape.taps, columns = x.shape(1);
  std::vector<mx::array> rows;
  for (const auto& s : step.batch.sequences) {
    const auto path = path_of(s, state);
    const auto inputs = mx::concatenate({load(state.inputs, path.from), rows_of(x, s.first, s.count)}, 0);  // (taps - 1 + count, C)
    auto y = bias ? mx::broadcast_to(*bias, {s.count, columns}) : mx::zeros({s.count, columns}, mx::float32);
    for (int j = 0; j < taps; ++j) {
      y = mx::add(y, mx::multiply(rows_of(inputs, j, s.count), rows_of(weight, j, 1)));
    }
    rows.push_back(y);
    for (const auto& [tokens, block] : path.stops) state.inputs = store(std::move(state.inputs), block, rows_of(inputs, tokens, taps - 1));
  }
  return mx::concatenate(rows, 0);
}

mx::array MlxOps::scan(const Step& step, LayerState& state, const mx::array& x, const mx::array& steps,
                       const std::optional<mx::array>& strengths, const ScanShape& shape, const ScanWeights& weights) const {
  const int heads = shape.heads, keys = shape.key_dim, values = shape.value_dim;
  auto q = heads_of(x, shape.query_at, shape.key_heads, keys, shape), k = heads_of(x, shape.key_at, shape.key_heads, keys, shape);
  const auto v = heads_of(x, shape.value_at, heads, values, shape);
  if (strengths) {
    q = mx::multiply(unit(q), mx::rsqrt(mx::array(static_cast<float>(keys))));
    k = unit(k);
  }
  const auto dt = softplus(mx::add(steps, weights.biases));
  const auto decay = mx::exp(mx::multiply(dt, weights.rates)), strength = strengths ? mx::sigmoid(*strengths) : dt;
  const auto of = [](const mx::array& a, int token, const mx::Shape& as) { return mx::reshape(mx::take(a, mx::array(token), 0), as); };
  std::vector<mx::array> rows;
  for (const auto& s : step.batch.sequences) {
    const auto path = path_of(s, state);
    auto matrix = load(state.matrices, path.from);  // (H, D, E)
    auto stop = path.stops.begin();
    for (int i = 0; i < s.count; ++i) {
      const int t = s.first + i;
      const auto key = of(k, t, {heads, keys, 1}), value = of(v, t, {heads, 1, values});
      matrix = mx::multiply(matrix, of(decay, t, {heads, 1, 1}));
      const auto known = strengths ? mx::sum(mx::multiply(matrix, key), 1, true) : mx::array(0.0f);
      const auto change = mx::multiply(mx::subtract(value, known), of(strength, t, {heads, 1, 1}));
      matrix = mx::add(matrix, mx::multiply(key, change));
      auto y = mx::sum(mx::multiply(matrix, of(q, t, {heads, keys, 1})), 1, true);
      if (weights.skip) y = mx::add(y, mx::multiply(value, mx::reshape(*weights.skip, {heads, 1, 1})));
      rows.push_back(mx::reshape(y, {1, heads * values}));
      if (stop == path.stops.end() || stop->tokens != i + 1) continue;
      state.matrices = store(std::move(state.matrices), stop->block, matrix);
      ++stop;
    }
  }
  return mx::concatenate(rows, 0);
}

}  // namespace mlxr::ops
