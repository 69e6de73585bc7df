#include "core/models/transformer.h"

#include <cmath>

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
          .q_norm = read_norm(reader, Role::kQueryNorm, layer),
          .k_norm = read_norm(reader, Role::kKeyNorm, layer),
          .sinks = reader.vector(Role::kSinks, layer)};
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
    using Part = decltype(Layer::feed_forward);
    model->layers_.push_back({
        .parallel = layer.parallel,
        .mixer_norm = read_norm(reader, Role::kMixerNorm, i),
        .mlp_norm = read_norm(reader, Role::kMlpNorm, i),
        .norm_after_mixer = read_norm(reader, Role::kNormAfterMixer, i),
        .norm_after_mlp = read_norm(reader, Role::kNormAfterMlp, i),
        .mixer = std::visit([&](const auto& mixer) { return read(reader, mixer, i); }, layer.mixer),
        .feed_forward = std::visit([&](const auto& mlp) -> Part { return read(reader, mlp, i); }, layer.feed_forward),
    });
  }
  if (auto all = reader.finish(); !all) return fail(all.error());
  model->step_shape_.ropes = spec.ropes;
  for (const auto& kind : caches_of(spec)) model->step_shape_.windows.push_back(kind.window);
  model->step_shape_.block_tokens = options.block_tokens;
  model->ops_ = std::move(ops);
  return model;
}

std::optional<mx::array> Transformer::forward(ops::Batch batch, std::span<ops::LayerCache> caches) const {
  const auto step = ops_->begin(std::move(batch), step_shape_);
  const auto outputs = step->batch.outputs.size();
  auto x = ops_->embed(*step, *embeddings_, spec_.embed_scale);  // (T, dim)
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const bool last = i + 1 == layers_.size();
    auto h = normalised(x, layer.mixer_norm);
    auto y = std::visit([&](const auto& mixer) { return mix(mixer, h, *step, caches[i], !last || outputs > 0); }, layer.mixer);
    if (!y) return std::nullopt;
    if (last && outputs != step->batch.tokens.size()) {
      x = ops_->output_rows(*step, x);  // (outputs, dim)
      y = ops_->output_rows(*step, *y);
      if (layer.parallel) h = ops_->output_rows(*step, h);
    }
    const auto& output = std::visit([](const auto& mixer) -> const ops::Weight& { return *mixer.output; }, layer.mixer);
    x = add_product(x, *y, output, layer.norm_after_mixer, *step);
    const auto g = layer.parallel ? h : normalised(x, layer.mlp_norm);
    const auto hidden = std::visit([&](const auto& mlp) { return feed_forward(mlp, g, *step); }, layer.feed_forward);
    const auto& down = std::visit([](const auto& mlp) -> const ops::Weight& { return *mlp.down; }, layer.feed_forward);
    x = add_product(x, hidden, down, layer.norm_after_mlp, *step);
  }
  const auto logits = ops_->q_gemm(*step, normalised(x, final_norm_), *head_);
  return spec_.logit_softcap > 0 ? ops_->softcap(logits, spec_.logit_softcap) : logits;
}

std::optional<mx::array> Transformer::mix(const AttentionLayer& layer, const mx::array& x, const ops::Step& step, ops::LayerCache& cache,
                                          bool wanted) const {
  const auto& spec = layer.spec;
  const auto qkv = ops_->q_gemm(step, x, {layer.q.get(), layer.k.get(), layer.v.get()});
  const int width = spec.qk_norm == QkNorm::kWhole ? 0 : spec.key_dim;
  auto q = qkv[0], k = normalised(qkv[1], layer.k_norm, width);  // (T, heads · key_dim), (T, kv_heads · key_dim)
  if (spec.rope) k = ops_->rope(step, k, *spec.rope, spec.key_dim);
  ops_->kv_store(step, cache, k, qkv[2]);
  if (!wanted) return std::nullopt;
  q = normalised(q, layer.q_norm, width);
  if (spec.rope) q = ops_->rope(step, q, spec.query_rope.value_or(*spec.rope), spec.key_dim);
  return ops_->attention(step, q, cache, {spec.scale, spec.softcap, layer.sinks});
}

mx::array Transformer::feed_forward(const GatedMlpLayer& layer, const mx::array& x, const ops::Step& step) const {
  return ops_->gated_mlp(step, x, *layer.gate, *layer.up, layer.spec.activation);
}

mx::array Transformer::feed_forward(const PlainMlpLayer& layer, const mx::array& x, const ops::Step& step) const {
  return ops_->activate(ops_->q_gemm(step, x, *layer.up), layer.spec.activation);
}

mx::array Transformer::add_product(const mx::array& x, const mx::array& y, const ops::Weight& w, const std::optional<Norm>& norm,
                                   const ops::Step& step) const {
  if (!norm) return ops_->q_gemm(step, y, w, x);
  return normalised(ops_->q_gemm(step, y, w), norm, 0, x);
}

mx::array Transformer::normalised(const mx::array& x, const std::optional<Norm>& norm, int width,
                                  const std::optional<mx::array>& residual) const {
  if (!norm) return x;
  if (spec_.norm == NormKind::kRms) return ops_->rms_norm(x, norm->weight, spec_.norm_eps, residual);
  return ops_->layer_norm(x, width != 0 ? width : x.shape(1), norm->weight, norm->bias, spec_.norm_eps, residual);
}

}  // namespace mlxr::models
