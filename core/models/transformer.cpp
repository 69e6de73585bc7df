#include "core/models/transformer.h"

#include <cmath>
#include <utility>

#include <mlx/ops.h>

#include "core/models/columns.h"
#include "core/models/weight_reader.h"

namespace mlxr::models {
namespace {

namespace mx = mlx::core;

// Some rows of a table. (rows, width)
mx::array take_rows(const mx::array& table, const std::vector<std::int32_t>& numbers) {
  return mx::take(table, mx::array(numbers.data(), mx::Shape{static_cast<int>(numbers.size())}, mx::int32), 0);
}

// Values as rows of `width`. Nothing stays nothing.
std::optional<mx::array> as_rows(const std::optional<mx::array>& values, int width) {
  if (!values) return std::nullopt;
  auto rows = mx::reshape(*values, {static_cast<int>(values->size()) / width, width});
  rows.eval();  // on the thread that loads: another one has no part in its streams
  return rows;
}

// Divides the frequencies of a rope by the factors in a tensor (Llama 3.1 and later).
Result<void> divide(ops::Rope& rope, std::span<const float> factors, const std::string& tensor) {
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (!(std::isfinite(factors[i]) && factors[i] > 0))
      return fail(ErrorCode::kCorrupt, "Tensor " + tensor + " holds a factor that is not a positive number.");
    rope.frequencies[i] /= factors[i];
  }
  return {};
}

mx::array activate(const mx::array& x, const Xielu& by) {
  const auto number = [](float value) { return mx::array(value); };
  const auto below = mx::subtract(mx::expm1(mx::minimum(x, number(by.end))), x);
  const auto bent =
      mx::where(mx::greater(x, number(0)), mx::multiply(mx::square(x), number(by.rise)), mx::multiply(below, number(by.fall)));
  return mx::add(bent, mx::multiply(x, number(by.slope)));
}

// Keeps of the gates of each token those that are far above their mean.
mx::array cut(const mx::array& gates, float cutoff) {
  const auto least = mx::add(mx::mean(gates, -1, true), mx::multiply(mx::std(gates, -1, true), mx::array(cutoff)));
  return mx::maximum(mx::subtract(gates, least), mx::array(0.0f));
}

}  // namespace

std::optional<Transformer::Norm> Transformer::read_norm(WeightReader& reader, Role role, int layer, float scale) {
  auto weight = reader.vector(role, layer, scale);
  if (!weight) return std::nullopt;
  return Norm{*std::move(weight), reader.bias(role, layer, scale)};
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

Transformer::DenseLayer Transformer::read(WeightReader& reader, const Dense& spec, int number) {
  return {.spec = spec,
          .weight = as_rows(reader.vector(Role::kDense, number), spec.inputs).value_or(mx::array(0.0f)),
          .bias = reader.bias(Role::kDense, number),
          .norm = read_norm(reader, Role::kDenseNorm, number)};
}

Transformer::ExpertsLayer Transformer::read(WeightReader& reader, const Experts& spec, int layer) {
  GatedMlpLayer shared{.spec = {.hidden = spec.shared_hidden, .activation = spec.activation},
                       .gate = reader.matrix(Role::kSharedGate, layer),
                       .up = reader.matrix(Role::kSharedUp, layer),
                       .down = reader.matrix(Role::kSharedDown, layer)};
  ExpertsLayer read{.spec = spec,
                    .router = reader.matrix(Role::kRouter, layer),
                    .weights = {.gate = reader.matrices(Role::kExpertGate, layer),
                                .up = reader.matrices(Role::kExpertUp, layer),
                                .down = reader.matrices(Role::kExpertDown, layer),
                                .bias = reader.vector(Role::kRouterBias, layer),
                                .scales = reader.vector(Role::kExpertScales, layer),
                                .shared_router = reader.vector(Role::kSharedRouter, layer)}};
  if (spec.weighs_input) {
    read.shared = std::move(shared);
  } else {
    read.weights.shared_gate = std::move(shared.gate);
    read.weights.shared_up = std::move(shared.up);
    read.weights.shared_down = std::move(shared.down);
  }
  return read;
}

Transformer::MlpAndExpertsLayer Transformer::read(WeightReader& reader, const MlpAndExperts& spec, int layer) {
  auto router_scale = reader.vector(Role::kRouterScale, layer).value_or(mx::array(0.0f));
  router_scale = mx::divide(router_scale, mx::sqrt(mx::array(static_cast<float>(router_scale.size()))));
  router_scale.eval();
  return {.mlp = read(reader, spec.mlp, layer),
          .experts = read(reader, spec.experts, layer),
          .router_scale = std::move(router_scale),
          .mlp_norm_after = read_norm(reader, Role::kMlpOwnNormAfter, layer),
          .experts_norm = read_norm(reader, Role::kExpertsNorm, layer),
          .experts_norm_after = read_norm(reader, Role::kExpertsNormAfter, layer)};
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
  model->embedding_norm_ = read_norm(reader, Role::kEmbeddingNorm, kWholeModel);
  model->positions_ = as_rows(reader.vector(Role::kPositions, kWholeModel), spec.dim);
  model->token_types_ = as_rows(reader.vector(Role::kTokenTypes, kWholeModel), spec.dim);
  for (int i = 0; const auto& layer : spec.embedder.layers) model->embedder_.push_back(read(reader, layer, i++));
  model->input_table_ = reader.matrix(Role::kLayerInputTable, kWholeModel);
  model->input_projection_ = reader.matrix(Role::kLayerInputProjection, kWholeModel);
  model->input_norm_ = read_norm(reader, Role::kLayerInputNorm, kWholeModel);
  model->streams_in_ = reader.matrices(Role::kStreamsIn, kWholeModel);
  model->streams_out_ = reader.matrices(Role::kStreamsOut, kWholeModel);
  if (auto applied = model->apply_rope_factors(reader, options.context); !applied) return fail(applied.error());
  for (int i = 0; i < static_cast<int>(spec.layers.size()) && !reader.error(); ++i) {
    const auto& layer = spec.layers[static_cast<std::size_t>(i)];
    const auto* attention = std::get_if<Attention>(&layer.mixer);
    model->layers_.push_back({
        .beside = layer.beside,
        .parallel = layer.parallel,
        .mixer_norm = read_norm(reader, Role::kMixerNorm, i),
        .mlp_norm = read_norm(reader, Role::kMlpNorm, i),
        .norm_after_mixer = read_norm(reader, Role::kNormAfterMixer, i),
        .norm_after_mlp = read_norm(reader, Role::kNormAfterMlp, i),
        .mixer_sum_norm = read_norm(reader, Role::kMixerSumNorm, i),
        .mlp_sum_norm = read_norm(reader, Role::kMlpSumNorm, i),
        .mixer = std::visit([&](const auto& mixer) -> Mix { return read(reader, mixer, i); }, layer.mixer),
        .feed_forward = std::visit([&](const auto& mlp) -> Part { return read(reader, mlp, i); }, layer.feed_forward),
        .memory = static_cast<std::size_t>(attention && attention->shares ? *attention->shares : i),
        .input_gate = reader.matrix(Role::kLayerInputGate, i),
        .input_output = reader.matrix(Role::kLayerInputOutput, i),
        .norm_after_input = read_norm(reader, Role::kLayerInputNormAfter, i),
        .scale = reader.vector(Role::kLayerScale, i),
        .bypass_down = reader.matrix(Role::kBypassDown, i),
        .bypass_up = reader.matrix(Role::kBypassUp, i),
        .bypass_norm = read_norm(reader, Role::kBypassNorm, i),
        .streams = read_streams(reader, i, spec.streams, spec.dim),
    });
  }
  if (auto all = reader.finish(spec); !all) return fail(all.error());
  model->step_shape_.ropes = spec.ropes;
  for (const auto& kind : caches_of(spec)) {
    const auto* rows = std::get_if<KeysAndValues>(&kind.content);
    model->step_shape_.windows.push_back(rows ? rows->window : 0);
  }
  model->step_shape_.two_sided = spec.two_sided;
  model->step_shape_.block_tokens = options.block_tokens;
  model->ops_ = std::move(ops);
  return model;
}

const ops::WeightPtr& Transformer::output_of(const Mix& mixer) {
  static const ops::WeightPtr none;
  return std::visit(
      [&](const auto& it) -> const ops::WeightPtr& {
        if constexpr (requires { it.output; }) {
          return it.output;
        } else {
          return none;
        }
      },
      mixer);
}

std::optional<mx::array> Transformer::forward(ops::Batch batch, std::span<ops::LayerMemory> memory) const {
  const auto step = ops_->begin(std::move(batch), step_shape_);
  const auto rows = hidden(*step, memory);
  if (!rows) return std::nullopt;
  const auto logits = ops_->q_gemm(*step, *rows, *head_);
  return spec_.logit_softcap > 0 ? ops_->softcap(logits, spec_.logit_softcap) : logits;
}

std::optional<mx::array> Transformer::hidden(ops::Batch batch, std::span<ops::LayerMemory> memory) const {
  return hidden(*ops_->begin(std::move(batch), step_shape_), memory);
}

mx::array Transformer::embeddings(const ops::Step& step) const {
  auto x = ops_->embed(step, *embeddings_, spec_.embed_scale);
  if (positions_) x = mx::add(x, take_rows(*positions_, step.batch.positions));
  if (token_types_) {
    const auto& types = step.batch.types;
    x = mx::add(x, types.empty() ? mx::slice(*token_types_, {0, 0}, {1, spec_.dim}) : take_rows(*token_types_, types));
  }
  return normalised(x, embedding_norm_);
}

mx::array Transformer::embed(const mx::array& rows) const {
  auto x = rows;
  for (const auto& [spec, weight, bias, norm] : embedder_) {
    x = mx::matmul(x, mx::transpose(weight));
    if (bias) x = mx::add(x, *bias);
    if (spec.activation == Dense::Activation::kTanh) x = mx::tanh(x);
    if (spec.activation == Dense::Activation::kGelu) x = ops_->activate(x, ops::Activation::kGelu);
    x = normalised(x, norm);
  }
  return spec_.embedder.probabilities ? mx::softmax(x, -1, true) : x;
}

std::optional<mx::array> Transformer::hidden(const ops::Step& step, std::span<ops::LayerMemory> memory) const {
  const auto outputs = step.batch.outputs.size();
  auto x = embeddings(step);  // (T, dim)
  auto inputs = input_table_ ? std::optional(layer_inputs(x, step)) : std::nullopt;
  auto streams = spec_.streams > 1 ? std::optional(streams_of(x, step)) : std::nullopt;
  auto h = x;  // what mixers read
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const bool last = i + 1 == layers_.size();
    if (streams) {
      streams = predicted(layer, *streams, step);
      x = columns_of(*streams, 0, spec_.dim);
    }
    if (!layer.beside) h = normalised(x, layer.mixer_norm);
    const bool wanted = !last || outputs > 0;
    auto* its_memory = layer.memory < memory.size() ? &memory[layer.memory] : nullptr;
    auto y = std::visit([&](const auto& mixer) { return mix(mixer, h, step, its_memory, wanted); }, layer.mixer);
    if (!wanted) return std::nullopt;
    if (last && outputs != step.batch.tokens.size()) {
      x = ops_->output_rows(step, x);  // (outputs, dim)
      if (y) y = ops_->output_rows(step, *y);
      if (layer.parallel || layer.bypass_up) h = ops_->output_rows(step, h);
      if (inputs) inputs = ops_->output_rows(step, *inputs);
      if (streams) streams = ops_->output_rows(step, *streams);
    }
    if (y) x = normalised(add_product(x, *y, *output_of(layer.mixer), layer.norm_after_mixer, step), layer.mixer_sum_norm);
    if (layer.bypass_up) x = add_bypass(layer, x, h, step);
    const auto g = layer.parallel ? h : normalised(x, layer.mlp_norm);
    x = std::visit([&](const auto& part) { return add(part, x, g, layer.norm_after_mlp, step); }, layer.feed_forward);
    x = normalised(x, layer.mlp_sum_norm);
    const auto input = inputs ? std::optional(columns_of(*inputs, static_cast<int>(i), spec_.layer_inputs)) : std::nullopt;
    if (streams) {
      streams = corrected(layer, *streams, x, input, step);
    } else if (input) {
      x = add_input(layer, x, *input, step);
    }
    if (layer.scale) x = mx::multiply(x, *layer.scale);
  }
  if (streams) x = merged(*streams, step);
  return normalised(x, final_norm_);
}

mx::array Transformer::add(const GatedMlpLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  if (!layer.spec.cutoff)
    return add_product(x, ops_->gated_mlp(step, g, *layer.gate, *layer.up, layer.spec.activation), *layer.down, norm, step);
  const auto products = ops_->q_gemm(step, g, {layer.gate.get(), layer.up.get()});
  const auto hidden = ops_->activate(cut(products[0], *layer.spec.cutoff), layer.spec.activation, products[1]);
  return add_product(x, hidden, *layer.down, norm, step);
}

mx::array Transformer::add(const PlainMlpLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  const auto up = ops_->q_gemm(step, g, *layer.up);
  const auto hidden = layer.spec.xielu ? activate(up, *layer.spec.xielu) : ops_->activate(up, layer.spec.activation);
  return add_product(x, hidden, *layer.down, norm, step);
}

mx::array Transformer::add(const ExpertsLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  const auto scores = ops_->q_gemm(step, g, *layer.router);
  if (layer.spec.weighs_input) return add_weighed(layer, x, g, scores, step);
  if (!norm) return ops_->experts(g, scores, layer.weights, layer.spec.routing, layer.spec.activation, x);
  return normalised(ops_->experts(g, scores, layer.weights, layer.spec.routing, layer.spec.activation), norm, x);
}

mx::array Transformer::add_weighed(const ExpertsLayer& layer, const mx::array& x, const mx::array& g, const mx::array& scores,
                                   const ops::Step& step) const {
  const auto best = mx::max(scores, -1, true);
  const auto weight = layer.spec.routing.sigmoid ? mx::sigmoid(best) : mx::max(mx::softmax(scores, -1, true), -1, true);
  auto routing = layer.spec.routing;
  const auto input = mx::multiply(g, mx::multiply(weight, mx::array(std::exchange(routing.scale, 1))));
  routing.normalised = true;  // the weight of one expert is 1 then
  const auto y = ops_->experts(input, scores, layer.weights, routing, layer.spec.activation, x);
  return layer.shared.down ? add(layer.shared, y, g, std::nullopt, step) : y;
}

mx::array Transformer::add(const MlpAndExpertsLayer& layer, const mx::array& x, const mx::array& g, const std::optional<Norm>& norm,
                           const ops::Step& step) const {
  const auto& [mlp, experts, router_scale, mlp_norm_after, experts_norm, experts_norm_after] = layer;
  const auto hidden = ops_->gated_mlp(step, g, *mlp.gate, *mlp.up, mlp.spec.activation);
  const auto of_mlp = normalised(ops_->q_gemm(step, hidden, *mlp.down), mlp_norm_after);
  const auto scores = ops_->q_gemm(step, ops_->rms_norm(x, router_scale, spec_.norm_eps), *experts.router);
  const auto of_experts =
      ops_->experts(normalised(x, experts_norm), scores, experts.weights, experts.spec.routing, experts.spec.activation);
  return normalised(normalised(of_experts, experts_norm_after, of_mlp), norm, x);
}

mx::array Transformer::add(const Absent&, const mx::array& x, const mx::array&, const std::optional<Norm>&, const ops::Step&) const {
  return x;
}

// The embedding's part is normalised for each layer by itself; the sum of both parts has the size of one.
mx::array Transformer::layer_inputs(const mx::array& x, const ops::Step& step) const {
  const auto of_table = ops_->embed(step, *input_table_, std::sqrt(static_cast<float>(spec_.layer_inputs)));
  const auto projected = mx::multiply(ops_->q_gemm(step, x, *input_projection_), mx::array(1 / std::sqrt(static_cast<float>(spec_.dim))));
  const auto both = ops_->rms_norm(projected, input_norm_->weight, spec_.norm_eps, of_table);
  return mx::multiply(both, mx::array(std::sqrt(0.5f)));
}

mx::array Transformer::gated_input(const Layer& layer, const mx::array& x, const mx::array& input, const ops::Step& step) const {
  return ops_->activate(ops_->q_gemm(step, x, *layer.input_gate), ops::Activation::kGeluTanh, input);
}

mx::array Transformer::add_input(const Layer& layer, const mx::array& x, const mx::array& input, const ops::Step& step) const {
  return add_product(x, gated_input(layer, x, input, step), *layer.input_output, layer.norm_after_input, step);
}

mx::array Transformer::add_bypass(const Layer& layer, const mx::array& x, const mx::array& h, const ops::Step& step) const {
  const auto y = ops_->q_gemm(step, ops_->q_gemm(step, h, *layer.bypass_down), *layer.bypass_up);
  return mx::multiply(mx::add(x, normalised(y, layer.bypass_norm, h)), mx::array(std::sqrt(0.5f)));
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

}  // namespace mlxr::models
