#include "core/models/transformer.h"

#include <cmath>

#include <mlx/ops.h>

#include "core/models/weight_reader.h"

namespace mlxr::models {
namespace {

namespace mx = mlx::core;

// Divides the frequencies of a rope by the factors in a tensor (Llama 3.1 and later).
Result<void> divide(ops::Rope& rope, std::span<const float> factors, const std::string& tensor) {
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (!(std::isfinite(factors[i]) && factors[i] > 0))
      return fail(ErrorCode::kCorrupt, "Tensor " + tensor + " holds a factor that is not a positive number.");
    rope.frequencies[i] /= factors[i];
  }
  return {};
}

// The weights of a convolution, (columns, taps) in the file.  (taps, columns)
mx::array taps_of(WeightReader& reader, int layer, int taps) {
  const auto stored = reader.values(Role::kConvolution, layer);
  const auto columns = stored.size() / static_cast<std::size_t>(taps);
  std::vector<float> values(stored.size());
  for (std::size_t i = 0; i < stored.size(); ++i)
    values[i % static_cast<std::size_t>(taps) * columns + i / static_cast<std::size_t>(taps)] = stored[i];
  return mx::array(values.data(), mx::Shape{taps, static_cast<int>(columns)}, mx::float32);
}

}  // namespace

std::optional<Transformer::Norm> Transformer::read_norm(WeightReader& reader, Role role, int layer, float scale) {
  auto weight = reader.vector(role, layer, scale);
  if (!weight) return std::nullopt;
  return Norm{*std::move(weight), reader.bias(role, layer, scale)};
}

Transformer::AttentionLayer Transformer::read(WeightReader& reader, const Attention& spec, int layer) {
  return {.spec = spec,
          .q = reader.matrix(Role::kQuery, layer),
          .k = reader.matrix(Role::kKey, layer),
          .v = reader.matrix(Role::kValue, layer),
          .output = reader.matrix(Role::kMixerOutput, layer),
          .gate = reader.matrix(Role::kAttentionGate, layer),
          .q_norm = read_norm(reader, Role::kQueryNorm, layer),
          .k_norm = read_norm(reader, Role::kKeyNorm, layer),
          .sinks = reader.vector(Role::kSinks, layer)};
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
          .norm = read_norm(reader, Role::kScanNorm, layer)};
}

Transformer::GatedMlpLayer Transformer::read(WeightReader& reader, const GatedMlp& spec, int layer) {
  return {.spec = spec,
          .gate = reader.matrix(Role::kGate, layer),
          .up = reader.matrix(Role::kUp, layer),
          .down = reader.matrix(Role::kDown, layer)};
}

Transformer::PlainMlpLayer Transformer::read(WeightReader& reader, const PlainMlp& spec, int layer) {
  return {.spec = spec, .up = reader.matrix(Role::kUp, layer), .down = reader.matrix(Role::kDown, layer)};
}

Transformer::ExpertsLayer Transformer::read(WeightReader& reader, const Experts& spec, int layer) {
  return {.spec = spec,
          .router = reader.matrix(Role::kRouter, layer),
          .weights = {.gate = reader.matrices(Role::kExpertGate, layer),
                      .up = reader.matrices(Role::kExpertUp, layer),
                      .down = reader.matrices(Role::kExpertDown, layer),
                      .bias = reader.vector(Role::kRouterBias, layer),
                      .shared_gate = reader.matrix(Role::kSharedGate, layer),
                      .shared_up = reader.matrix(Role::kSharedUp, layer),
                      .shared_down = reader.matrix(Role::kSharedDown, layer),
                      .shared_router = reader.vector(Role::kSharedRouter, layer)}};
}

// LongRoPE (Ding et al. 2024) has factors for texts within the original context, and others for longer ones. Which they are must not change
// within a text, whose keys are in the cache, so the longest text that is possible decides.
Result<void> Transformer::apply_rope_factors(WeightReader& reader, int context) {
  const bool is_long = (context != 0 ? context : spec_.context) > spec_.original_context;
  for (const auto role : {Role::kRopeFactors, Role::kRopeFactorsLong, Role::kRopeFactorsShort}) {
    const auto factors = reader.values(role, kWholeModel);
    if (factors.empty() || role == (is_long ? Role::kRopeFactorsShort : Role::kRopeFactorsLong)) continue;
    if (auto divided = divide(spec_.ropes[0], factors, reader.name_of(role, kWholeModel)); !divided) return divided;
  }
  return {};
}

Result<std::unique_ptr<const Transformer>> Transformer::load(const Description& description, const formats::Checkpoint& file,
                                                             std::shared_ptr<const ops::Ops> ops, ops::Panels& panels,
                                                             const TransformerOptions& options) {
  std::unique_ptr<Transformer> model(new Transformer);
  model->spec_ = description.spec;
  auto& spec = model->spec_;
  WeightReader reader(file, description.bindings, *ops, panels, options.cancelled);
  model->embeddings_ = reader.matrix(Role::kEmbeddings, kWholeModel);
  model->head_ = reader.matrix(Role::kHead, kWholeModel);
  if (!model->head_) model->head_ = model->embeddings_;
  model->final_norm_ = read_norm(reader, Role::kFinalNorm, kWholeModel, spec.logit_scale);
  if (auto applied = model->apply_rope_factors(reader, options.context); !applied) return fail(applied.error());
  for (int i = 0; i < static_cast<int>(spec.layers.size()) && !reader.error(); ++i) {
    const auto& layer = spec.layers[static_cast<std::size_t>(i)];
    using Mix = decltype(Layer::mixer);
    using Part = decltype(Layer::feed_forward);
    model->layers_.push_back({
        .parallel = layer.parallel,
        .mixer_norm = read_norm(reader, Role::kMixerNorm, i),
        .mlp_norm = read_norm(reader, Role::kMlpNorm, i),
        .norm_after_mixer = read_norm(reader, Role::kNormAfterMixer, i),
        .norm_after_mlp = read_norm(reader, Role::kNormAfterMlp, i),
        .mixer = std::visit([&](const auto& mixer) -> Mix { return read(reader, mixer, i); }, layer.mixer),
        .feed_forward = std::visit([&](const auto& mlp) -> Part { return read(reader, mlp, i); }, layer.feed_forward),
    });
  }
  if (auto all = reader.finish(spec); !all) return fail(all.error());
  model->step_shape_.ropes = spec.ropes;
  for (const auto& kind : caches_of(spec)) {
    const auto* rows = std::get_if<KeysAndValues>(&kind.content);
    model->step_shape_.windows.push_back(rows ? rows->window : 0);
  }
  model->step_shape_.block_tokens = options.block_tokens;
  model->ops_ = std::move(ops);
  return model;
}

std::optional<mx::array> Transformer::forward(ops::Batch batch, std::span<ops::LayerMemory> memory) const {
  const auto step = ops_->begin(std::move(batch), step_shape_);
  const auto outputs = step->batch.outputs.size();
  auto x = ops_->embed(*step, *embeddings_, spec_.embed_scale);  // (T, dim)
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const bool last = i + 1 == layers_.size();
    auto h = normalised(x, layer.mixer_norm);
    auto y = std::visit([&](const auto& mixer) { return mix(mixer, h, *step, memory[i], !last || outputs > 0); }, layer.mixer);
    if (!y) return std::nullopt;
    if (last && outputs != step->batch.tokens.size()) {
      x = ops_->output_rows(*step, x);  // (outputs, dim)
      y = ops_->output_rows(*step, *y);
      if (layer.parallel) h = ops_->output_rows(*step, h);
    }
    const auto& output = std::visit([](const auto& mixer) -> const ops::Weight& { return *mixer.output; }, layer.mixer);
    x = add_product(x, *y, output, layer.norm_after_mixer, *step);
    const auto g = layer.parallel ? h : normalised(x, layer.mlp_norm);
    x = std::visit([&](const auto& part) { return add(part, x, g, layer.norm_after_mlp, *step); }, layer.feed_forward);
  }
  const auto logits = ops_->q_gemm(*step, normalised(x, final_norm_), *head_);
  return spec_.logit_softcap > 0 ? ops_->softcap(logits, spec_.logit_softcap) : logits;
}

std::optional<mx::array> Transformer::mix(const AttentionLayer& layer, const mx::array& x, const ops::Step& step, ops::LayerMemory& memory,
                                          bool wanted) const {
  const auto& spec = layer.spec;
  auto& cache = std::get<ops::LayerCache>(memory);
  std::vector<const ops::Weight*> matrices{layer.q.get(), layer.k.get(), layer.v.get()};
  if (layer.gate) matrices.push_back(layer.gate.get());
  const auto qkv = ops_->q_gemm(step, x, matrices);
  const int width = spec.qk_norm == QkNorm::kWhole ? 0 : spec.key_dim;
  auto q = qkv[0], k = normalised_within(qkv[1], layer.k_norm, width);  // (T, heads · key_dim), (T, kv_heads · key_dim)
  if (spec.rope) k = ops_->rope(step, k, *spec.rope, spec.key_dim);
  ops_->kv_store(step, cache, k, qkv[2]);
  if (!wanted) return std::nullopt;
  q = normalised_within(q, layer.q_norm, width);
  if (spec.rope) q = ops_->rope(step, q, spec.query_rope.value_or(*spec.rope), spec.key_dim);
  const auto y = ops_->attention(step, q, cache, {spec.scale, spec.softcap, layer.sinks});
  return layer.gate ? ops_->activate(qkv[3], ops::Activation::kSigmoid, y) : y;
}

std::optional<mx::array> Transformer::mix(const ShortConvolutionLayer& layer, const mx::array& x, const ops::Step& step,
                                          ops::LayerMemory& memory, bool wanted) const {
  const auto parts = ops_->q_gemm(step, x, {layer.input_gate.get(), layer.output_gate.get(), layer.input.get()});
  const auto gated = ops_->activate(parts[0], ops::Activation::kNone, parts[2]);
  const auto y = ops_->convolve(step, std::get<ops::LayerState>(memory), gated, layer.convolution, {});
  if (!wanted) return std::nullopt;
  return ops_->activate(parts[1], ops::Activation::kNone, y);
}

std::optional<mx::array> Transformer::mix(const LinearAttentionLayer& layer, const mx::array& x, const ops::Step& step,
                                          ops::LayerMemory& memory, bool wanted) const {
  const auto& spec = layer.spec;
  auto& state = std::get<ops::LayerState>(memory);
  std::vector<const ops::Weight*> matrices{layer.input.get(), layer.gate.get(), layer.steps.get()};
  if (layer.strengths) matrices.push_back(layer.strengths.get());
  const auto parts = ops_->q_gemm(step, x, matrices);
  const auto strengths = layer.strengths ? std::optional(parts[3]) : std::nullopt;
  const auto convolved = ops_->convolve(step, state, parts[0], layer.convolution, layer.convolution_bias);
  const auto input = ops_->activate(convolved, ops::Activation::kSilu);
  const auto y = ops_->scan(step, state, input, parts[2], strengths, spec.scan, layer.scan);
  if (!wanted) return std::nullopt;
  if (spec.delta) return ops_->activate(parts[1], ops::Activation::kSilu, normalised_within(y, layer.norm, spec.scan.value_dim));
  return normalised_within(ops_->activate(parts[1], ops::Activation::kSilu, y), layer.norm, y.shape(1) / spec.norm_groups);
}

mx::array Transformer::add(const GatedMlpLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  return add_product(x, ops_->gated_mlp(step, g, *layer.gate, *layer.up, layer.spec.activation), *layer.down, norm, step);
}

mx::array Transformer::add(const PlainMlpLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  return add_product(x, ops_->activate(ops_->q_gemm(step, g, *layer.up), layer.spec.activation), *layer.down, norm, step);
}

mx::array Transformer::add(const ExpertsLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  const auto scores = ops_->q_gemm(step, g, *layer.router);
  if (!norm) return ops_->experts(g, scores, layer.weights, layer.spec.routing, layer.spec.activation, x);
  return normalised(ops_->experts(g, scores, layer.weights, layer.spec.routing, layer.spec.activation), norm, x);
}

mx::array Transformer::add_product(const mx::array& x, const mx::array& y, const ops::Weight& w, const std::optional<Norm>& norm,
                                   const ops::Step& step) const {
  if (!norm) return ops_->q_gemm(step, y, w, x);
  return normalised(ops_->q_gemm(step, y, w), norm, x);
}

mx::array Transformer::normalised(const mx::array& x, const std::optional<Norm>& norm, const std::optional<mx::array>& residual) const {
  if (!norm) return x;
  if (spec_.norm == NormKind::kRms) return ops_->rms_norm(x, norm->weight, spec_.norm_eps, residual);
  return ops_->layer_norm(x, x.shape(1), norm->weight, norm->bias, spec_.norm_eps, residual);
}

mx::array Transformer::normalised_within(const mx::array& x, const std::optional<Norm>& norm, int width) const {
  if (!norm) return x;
  if (width == 0) width = x.shape(1);
  if (spec_.norm == NormKind::kLayer) return ops_->layer_norm(x, width, norm->weight, norm->bias, spec_.inner_eps);
  if (norm->weight.shape(0) == width) return ops_->rms_norm(x, norm->weight, spec_.inner_eps);
  return mx::multiply(ops_->rms_norm(x, mx::ones({width}, mx::float32), spec_.inner_eps), norm->weight);
}

}  // namespace mlxr::models
