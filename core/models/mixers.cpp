// The parts of a transformer's layers that see more than one token: their weights, and what they compute.
#include <mlx/ops.h>

#include "core/models/transformer.h"
#include "core/models/weight_reader.h"

namespace mlxr::models {
namespace {

namespace mx = mlx::core;

// The weights of a convolution, (columns, taps) in the file.  (taps, columns)
mx::array taps_of(WeightReader& reader, int layer, int taps) {
  const auto stored = reader.values(Role::kConvolution, layer);
  const auto columns = stored.size() / static_cast<std::size_t>(taps);
  std::vector<float> values(stored.size());
  for (std::size_t i = 0; i < stored.size(); ++i)
    values[i % static_cast<std::size_t>(taps) * columns + i / static_cast<std::size_t>(taps)] = stored[i];
  return mx::array(values.data(), mx::Shape{taps, static_cast<int>(columns)}, mx::float32);
}

mx::array ones(int count) {
  auto values = mx::ones({count}, mx::float32);
  values.eval();
  return values;
}

// Columns [first, first + count) of each piece of `width` columns.  x (T, pieces · width), y (T, pieces · count)
mx::array columns_of_each(const mx::array& x, int width, int first, int count) {
  const int tokens = x.shape(0), pieces = x.shape(1) / width;
  const auto parts = mx::slice(mx::reshape(x, {tokens, pieces, width}), {0, 0, first}, {tokens, pieces, first + count});
  return mx::contiguous(mx::reshape(parts, {tokens, pieces * count}));
}

// Pieces of a and of b in turns.  a (T, pieces · A), b (T, pieces · B), y (T, pieces · (A + B))
mx::array in_turns(const mx::array& a, const mx::array& b, int pieces) {
  const int tokens = a.shape(0);
  const auto of = [&](const mx::array& x) { return mx::reshape(x, {tokens, pieces, x.shape(1) / pieces}); };
  return mx::reshape(mx::concatenate({of(a), of(b)}, 2), {tokens, a.shape(1) + b.shape(1)});
}

// Each piece of x times a matrix of its own.  x (T, pieces · k), matrices of (n, k), y (T, pieces · n)
mx::array product_of_each(const ops::Ops& ops, const ops::Step& step, const mx::array& x, const std::vector<ops::WeightPtr>& matrices) {
  const int k = matrices[0]->k;
  std::vector<mx::array> parts;
  for (int i = 0; const auto& w : matrices) parts.push_back(ops.q_gemm(step, columns_of_each(x, x.shape(1), k * i++, k), *w));
  return mx::concatenate(parts, 1);
}

}  // namespace

Transformer::AttentionLayer Transformer::read(WeightReader& reader, const Attention& spec, int layer) {
  const auto norm = [&](Role role) {
    return spec.qk_norm == QkNorm::kUnit ? std::optional(Norm{ones(spec.key_dim), std::nullopt}) : read_norm(reader, role, layer);
  };
  return {.spec = spec,
          .q = reader.matrix(Role::kQuery, layer),
          .k = reader.matrix(Role::kKey, layer),
          .v = reader.matrix(Role::kValue, layer),
          .output = reader.matrix(Role::kMixerOutput, layer),
          .gate = reader.matrix(Role::kAttentionGate, layer),
          .q_norm = norm(Role::kQueryNorm),
          .k_norm = norm(Role::kKeyNorm),
          .v_norm = spec.value_norm ? std::optional(ones(spec.value_dim)) : std::nullopt,
          .sinks = reader.vector(Role::kSinks, layer)};
}

Transformer::LatentAttentionLayer Transformer::read(WeightReader& reader, const LatentAttention& spec, int layer) {
  return {.spec = spec,
          .q = reader.matrix(Role::kQuery, layer),
          .q_latent = reader.matrix(Role::kQueryLatent, layer),
          .kv_latent = reader.matrix(Role::kLatent, layer),
          .k = reader.matrix(Role::kKey, layer),
          .v = reader.matrix(Role::kValue, layer),
          .output = reader.matrix(Role::kMixerOutput, layer),
          .absorbed_k = reader.matrices(Role::kAbsorbedKey, layer),
          .absorbed_v = reader.matrices(Role::kAbsorbedValue, layer),
          .q_norm = read_norm(reader, Role::kQueryNorm, layer),
          .norm = read_norm(reader, Role::kLatentNorm, layer)};
}

Transformer::ShortConvolutionLayer Transformer::read(WeightReader& reader, const ShortConvolution& spec, int layer) {
  return {.input_gate = reader.matrix(Role::kInputGate, layer),
          .output_gate = reader.matrix(Role::kOutputGate, layer),
          .input = reader.matrix(Role::kRecurrentInput, layer),
          .output = reader.matrix(Role::kMixerOutput, layer),
          .convolution = taps_of(reader, layer, spec.taps)};
}

Transformer::LinearAttentionLayer Transformer::read(WeightReader& reader, const LinearAttention& spec, int layer) {
  const auto vector = [&](Role role) { return reader.vector(role, layer).value_or(mx::array(0.0f)); };
  return {.spec = spec,
          .input = reader.matrix(Role::kRecurrentInput, layer),
          .gate = reader.matrix(Role::kOutputGate, layer),
          .steps = reader.matrix(Role::kSteps, layer),
          .strengths = reader.matrix(Role::kStrengths, layer),
          .output = reader.matrix(Role::kMixerOutput, layer),
          .convolution = taps_of(reader, layer, spec.taps),
          .convolution_bias = reader.bias(Role::kConvolution, layer),
          .scan = {vector(Role::kRates), vector(Role::kStepBias), reader.vector(Role::kSkip, layer)},
          .norm = read_norm(reader, Role::kScanNorm, layer),
          .group = spec.norm_groups > 1 ? std::optional(ones(spec.scan.heads * spec.scan.value_dim / spec.norm_groups)) : std::nullopt};
}

std::optional<mx::array> Transformer::mix(const AttentionLayer& layer, const mx::array& x, const ops::Step& step, ops::LayerMemory* memory,
                                          bool wanted) const {
  const auto& spec = layer.spec;
  auto& cache = std::get<ops::LayerCache>(*memory);
  std::vector<const ops::Weight*> matrices{layer.q.get()};
  for (const auto* w : {&layer.k, &layer.v, &layer.gate})
    if (*w) matrices.push_back(w->get());
  const auto products = ops_->q_gemm(step, x, matrices);
  const int width = spec.qk_norm == QkNorm::kWhole ? 0 : spec.key_dim;
  const auto normalised_and_rotated = [&](const mx::array& heads, const std::optional<Norm>& norm, int rope) {
    auto y = spec.norms_rotated ? heads : normalised_within(heads, norm, width);
    if (spec.rope) y = ops_->rope(step, y, rope, spec.key_dim);
    return spec.norms_rotated ? normalised_within(y, norm, width) : y;
  };
  const int rope = spec.rope.value_or(0);
  if (!spec.shares) {
    const auto k = normalised_and_rotated(products[1], layer.k_norm, rope);
    auto v = products[layer.v ? 2 : 1];
    if (spec.value_norm) v = ops_->rms_norm(v, *layer.v_norm, spec_.inner_eps);
    ops_->kv_store(step, cache, k, v);
  }
  if (!wanted) return std::nullopt;
  const auto q = normalised_and_rotated(products[0], layer.q_norm, spec.query_rope.value_or(rope));  // (T, heads · key_dim)
  const auto y = ops_->attention(step, q, cache, {spec.scale, spec.softcap, layer.sinks});
  return layer.gate ? ops_->activate(products.back(), ops::Activation::kSigmoid, y) : y;
}

std::optional<mx::array> Transformer::mix(const LatentAttentionLayer& layer, const mx::array& x, const ops::Step& step,
                                          ops::LayerMemory* memory, bool wanted) const {
  const auto& spec = layer.spec;
  auto& cache = std::get<ops::LayerCache>(*memory);
  const int heads = spec.heads, latent = spec.latent, rotated = spec.rotated, width = spec.key_dim + rotated;
  const auto row = ops_->q_gemm(step, x, *layer.kv_latent);  // (T, latent + rotated)
  const auto c = normalised_within(columns_of_each(row, latent + rotated, 0, latent), layer.norm, 0);
  const auto key = ops_->rope(step, columns_of_each(row, latent + rotated, latent, rotated), spec.rope, rotated);
  if (spec.absorbed) {
    ops_->kv_store(step, cache, in_turns(c, key, 1), c);
  } else {
    const auto kv = ops_->q_gemm(step, c, {layer.k.get(), layer.v.get()});
    ops_->kv_store(step, cache, in_turns(kv[0], mx::tile(key, {1, heads}), heads), kv[1]);
  }
  if (!wanted) return std::nullopt;
  const auto q =
      ops_->q_gemm(step, layer.q_latent ? normalised_within(ops_->q_gemm(step, x, *layer.q_latent), layer.q_norm, 0) : x, *layer.q);
  auto query = columns_of_each(q, width, 0, spec.key_dim);  // (T, heads · key_dim)
  if (spec.absorbed) query = product_of_each(*ops_, step, query, layer.absorbed_k);
  const auto rotated_query = ops_->rope(step, columns_of_each(q, width, spec.key_dim, rotated), spec.rope, rotated);
  const auto y = ops_->attention(step, in_turns(query, rotated_query, heads), cache, {spec.scale});
  return spec.absorbed ? product_of_each(*ops_, step, y, layer.absorbed_v) : y;
}

std::optional<mx::array> Transformer::mix(const ShortConvolutionLayer& layer, const mx::array& x, const ops::Step& step,
                                          ops::LayerMemory* memory, bool wanted) const {
  const auto parts = ops_->q_gemm(step, x, {layer.input_gate.get(), layer.output_gate.get(), layer.input.get()});
  const auto gated = ops_->activate(parts[0], ops::Activation::kNone, parts[2]);
  const auto y = ops_->convolve(step, std::get<ops::LayerState>(*memory), gated, layer.convolution, {});
  if (!wanted) return std::nullopt;
  return ops_->activate(parts[1], ops::Activation::kNone, y);
}

std::optional<mx::array> Transformer::mix(const LinearAttentionLayer& layer, const mx::array& x, const ops::Step& step,
                                          ops::LayerMemory* memory, bool wanted) const {
  const auto& spec = layer.spec;
  auto& state = std::get<ops::LayerState>(*memory);
  std::vector<const ops::Weight*> matrices{layer.input.get(), layer.gate.get(), layer.steps.get()};
  if (layer.strengths) matrices.push_back(layer.strengths.get());
  const auto parts = ops_->q_gemm(step, x, matrices);
  const auto strengths = layer.strengths ? std::optional(parts[3]) : std::nullopt;
  const auto convolved = ops_->convolve(step, state, parts[0], layer.convolution, layer.convolution_bias);
  const auto input = ops_->activate(convolved, ops::Activation::kSilu);
  const auto y = ops_->scan(step, state, input, parts[2], strengths, spec.scan, layer.scan);
  if (!wanted) return std::nullopt;
  if (spec.delta) return ops_->activate(parts[1], ops::Activation::kSilu, normalised_within(y, layer.norm, spec.scan.value_dim));
  const auto gated = ops_->activate(parts[1], ops::Activation::kSilu, y);
  if (!layer.group) return normalised_within(gated, layer.norm, 0);  // or there is no norm
  return mx::multiply(ops_->rms_norm(gated, *layer.group, spec_.inner_eps), layer.norm->weight);
}

std::optional<mx::array> Transformer::mix(const Absent&, const mx::array&, const ops::Step&, ops::LayerMemory*, bool) const {
  return std::nullopt;
}

mx::array Transformer::normalised_within(const mx::array& x, const std::optional<Norm>& norm, int width) const {
  if (!norm) return x;
  if (width == 0) width = x.shape(1);
  if (spec_.norm == NormKind::kLayer) return ops_->layer_norm(x, width, norm->weight, norm->bias, spec_.inner_eps);
  return ops_->rms_norm(x, norm->weight, spec_.inner_eps);
}

}  // namespace mlxr::models
