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

Transformer::AttentionLayer Transformer::read(WeightReader& reader, const Attention& spec, int layer) {
  return {.spec = spec,
          .q = reader.matrix(Role::kQuery, layer),
          .k = reader.matrix(Role::kKey, layer),
          .v = reader.matrix(Role::kValue, layer),
          .output = reader.matrix(Role::kMixerOutput, layer),
          .q_norm = reader.vector(Role::kQueryNorm, layer),
          .k_norm = reader.vector(Role::kKeyNorm, layer),
          .sinks = reader.vector(Role::kSinks, layer)};
}

Transformer::GatedMlpLayer Transformer::read(WeightReader& reader, const GatedMlp& spec, int layer) {
  return {.spec = spec,
          .gate = reader.matrix(Role::kGate, layer),
          .up = reader.matrix(Role::kUp, layer),
          .down = reader.matrix(Role::kDown, layer)};
}

Result<std::unique_ptr<const Transformer>> Transformer::load(const Description& description, const formats::Checkpoint& file,
                                                             std::shared_ptr<const ops::Ops> ops, ops::Panels& panels, int block_tokens,
                                                             const std::atomic<bool>* cancelled) {
  std::unique_ptr<Transformer> model(new Transformer);
  model->spec_ = description.spec;
  auto& spec = model->spec_;
  WeightReader reader(file, description.bindings, *ops, panels, cancelled);
  model->embeddings_ = reader.matrix(Role::kEmbeddings, kWholeModel);
  model->head_ = reader.matrix(Role::kHead, kWholeModel);
  if (!model->head_) model->head_ = model->embeddings_;
  model->final_norm_ = reader.vector(Role::kFinalNorm, kWholeModel);
  if (const auto factors = reader.values(Role::kRopeFactors, kWholeModel); !factors.empty()) {
    if (auto divided = divide(spec.ropes[0], factors, description.bindings.find(Role::kRopeFactors, kWholeModel)->tensor); !divided)
      return fail(divided.error());
  }
  for (int i = 0; i < static_cast<int>(spec.layers.size()) && !reader.error(); ++i) {
    const auto& layer = spec.layers[static_cast<std::size_t>(i)];
    const auto norm = [&](Role role) { return reader.vector(role, i).value_or(mx::array(0.0f)); };  // empty after an error only
    model->layers_.push_back({
        .mixer_norm = norm(Role::kMixerNorm),
        .mlp_norm = norm(Role::kMlpNorm),
        .norm_after_mixer = reader.vector(Role::kNormAfterMixer, i),
        .norm_after_mlp = reader.vector(Role::kNormAfterMlp, i),
        .mixer = std::visit([&](const auto& mixer) { return read(reader, mixer, i); }, layer.mixer),
        .feed_forward = std::visit([&](const auto& mlp) { return read(reader, mlp, i); }, layer.feed_forward),
    });
  }
  if (auto all = reader.finish(); !all) return fail(all.error());
  model->step_shape_.ropes = spec.ropes;
  for (const auto& kind : caches_of(spec)) model->step_shape_.windows.push_back(kind.window);
  model->step_shape_.block_tokens = block_tokens;
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
    const auto h = normalised(x, layer.mixer_norm);
    auto y = std::visit([&](const auto& mixer) { return mix(mixer, h, *step, caches[i], !last || outputs > 0); }, layer.mixer);
    if (!y) return std::nullopt;
    if (last && outputs != step->batch.tokens.size()) {
      x = ops_->output_rows(*step, x);  // (outputs, dim)
      y = ops_->output_rows(*step, *y);
    }
    const auto& output = std::visit([](const auto& mixer) -> const ops::Weight& { return *mixer.output; }, layer.mixer);
    x = add_product(x, *y, output, layer.norm_after_mixer, *step);
    const auto g = normalised(x, layer.mlp_norm);
    const auto hidden = std::visit([&](const auto& mlp) { return feed_forward(mlp, g, *step); }, layer.feed_forward);
    const auto& down = std::visit([](const auto& mlp) -> const ops::Weight& { return *mlp.down; }, layer.feed_forward);
    x = add_product(x, hidden, down, layer.norm_after_mlp, *step);
  }
  return ops_->q_gemm(*step, normalised(x, *final_norm_), *head_);
}

std::optional<mx::array> Transformer::mix(const AttentionLayer& layer, const mx::array& x, const ops::Step& step, ops::LayerCache& cache,
                                          bool wanted) const {
  const auto& spec = layer.spec;
  const auto qkv = ops_->q_gemm(step, x, {layer.q.get(), layer.k.get(), layer.v.get()});
  auto q = qkv[0], k = qkv[1];  // (T, heads · key_dim), (T, kv_heads · key_dim)
  if (layer.q_norm) q = normalised(q, *layer.q_norm);
  if (layer.k_norm) k = normalised(k, *layer.k_norm);
  if (spec.rope) k = ops_->rope(step, k, *spec.rope, spec.key_dim);
  ops_->kv_store(step, cache, k, qkv[2]);
  if (!wanted) return std::nullopt;
  if (spec.rope) q = ops_->rope(step, q, *spec.rope, spec.key_dim);
  return ops_->attention(step, q, cache, {spec.scale, spec.softcap, layer.sinks});
}

mx::array Transformer::feed_forward(const GatedMlpLayer& layer, const mx::array& x, const ops::Step& step) const {
  return ops_->gated_mlp(step, x, *layer.gate, *layer.up, layer.spec.activation);
}

mx::array Transformer::add_product(const mx::array& x, const mx::array& y, const ops::Weight& w, const std::optional<mx::array>& norm,
                                   const ops::Step& step) const {
  if (!norm) return ops_->q_gemm(step, y, w, x);
  return ops_->rms_norm(ops_->q_gemm(step, y, w), *norm, spec_.norm_eps, x);
}

}  // namespace mlxr::models
