#include "core/models/bindings.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/formats/printable.h"

namespace mlxr::models {
namespace {

// Names in GGUF, without ".weight". "{}" is the number of the layer.
constexpr std::pair<Role, std::string_view> kGgufNames[] = {
    {Role::kEmbeddings, "token_embd"},
    {Role::kHead, "output"},
    {Role::kFinalNorm, "output_norm"},
    {Role::kEmbeddingNorm, "token_embd_norm"},
    {Role::kPositions, "position_embd"},
    {Role::kTokenTypes, "token_types"},
    {Role::kRopeFactors, "rope_freqs"},
    {Role::kRopeFactorsLong, "rope_factors_long"},
    {Role::kRopeFactorsShort, "rope_factors_short"},
    {Role::kMixerNorm, "blk.{}.attn_norm"},
    {Role::kQuery, "blk.{}.attn_q"},
    {Role::kKey, "blk.{}.attn_k"},
    {Role::kValue, "blk.{}.attn_v"},
    {Role::kMixerOutput, "blk.{}.attn_output"},
    {Role::kQueryNorm, "blk.{}.attn_q_norm"},
    {Role::kKeyNorm, "blk.{}.attn_k_norm"},
    {Role::kSinks, "blk.{}.attn_sinks"},
    {Role::kScanNorm, "blk.{}.ssm_norm"},
    {Role::kLayerInputTable, "per_layer_token_embd"},
    {Role::kLayerInputProjection, "per_layer_model_proj"},
    {Role::kLayerInputNorm, "per_layer_proj_norm"},
    {Role::kLayerInputGate, "blk.{}.inp_gate"},
    {Role::kLayerInputOutput, "blk.{}.proj"},
    {Role::kLayerInputNormAfter, "blk.{}.post_norm"},
    {Role::kLayerScale, "blk.{}.layer_output_scale"},
    {Role::kStreamsIn, "altup_proj"},
    {Role::kStreamsOut, "altup_unembd_proj"},
    {Role::kStreamRouterNorm, "blk.{}.altup_router_norm"},
    {Role::kStreamRouter, "blk.{}.altup_router"},
    {Role::kStreamPredictions, "blk.{}.altup_predict_coef"},
    {Role::kStreamCorrections, "blk.{}.altup_correct_coef"},
    {Role::kStreamScale, "blk.{}.altup_correct_scale"},
    {Role::kBypassDown, "blk.{}.laurel_l"},
    {Role::kBypassUp, "blk.{}.laurel_r"},
    {Role::kBypassNorm, "blk.{}.laurel_post_norm"},
    {Role::kMlpOwnNormAfter, "blk.{}.post_ffw_norm_1"},
    {Role::kExpertsNorm, "blk.{}.pre_ffw_norm_2"},
    {Role::kExpertsNormAfter, "blk.{}.post_ffw_norm_2"},
    {Role::kNormAfterMixer, "blk.{}.post_attention_norm"},
    {Role::kMixerSumNorm, "blk.{}.attn_output_norm"},
    {Role::kMlpSumNorm, "blk.{}.layer_output_norm"},
    {Role::kMlpNorm, "blk.{}.ffn_norm"},
    {Role::kGate, "blk.{}.ffn_gate"},
    {Role::kUp, "blk.{}.ffn_up"},
    {Role::kDown, "blk.{}.ffn_down"},
    {Role::kRouter, "blk.{}.ffn_gate_inp"},
    {Role::kExpertGate, "blk.{}.ffn_gate_exps"},
    {Role::kExpertUp, "blk.{}.ffn_up_exps"},
    {Role::kExpertDown, "blk.{}.ffn_down_exps"},
    {Role::kSharedRouter, "blk.{}.ffn_gate_inp_shexp"},
    {Role::kSharedGate, "blk.{}.ffn_gate_shexp"},
    {Role::kSharedUp, "blk.{}.ffn_up_shexp"},
    {Role::kSharedDown, "blk.{}.ffn_down_shexp"},
    {Role::kNormAfterMlp, "blk.{}.post_ffw_norm"},
};
constexpr std::string_view kRouterBias = "blk.{}.exp_probs_b.bias", kMlpNormOfSome = "blk.{}.post_attention_norm";
constexpr std::string_view kSeparateGate = "blk.{}.attn_gate";
constexpr std::string_view kFusedQkv = "blk.{}.attn_qkv", kFusedGateUp = "blk.{}.ffn_up";
constexpr std::string_view kFusedExperts = "blk.{}.ffn_gate_up_exps", kExpertScales = "blk.{}.ffn_down_exps.scale";
constexpr std::string_view kStrengthsAndSteps = "blk.{}.ssm_ba", kConvolution = "blk.{}.ssm_conv1d";

std::string text(const std::vector<std::int64_t>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

// Makes the bindings of one layer, or of the whole model.
class Binder {
 public:
  Binder(Bindings& bindings, const ModelSpec& spec, const TensorNames& present, int layer, int block = 0)
      : bindings_(bindings), spec_(spec), present_(present), layer_(layer), block_(block) {}

  void vector(Role role, int n, bool required = true) { add(role, name_of(role), false, {n}, 0, n, required); }
  void norm(Role role, std::vector<std::int64_t> shape) {
    const bool with_bias = spec_.norm == NormKind::kLayer && shape.size() == 1;
    values(role, name_of(role) + ".weight", std::move(shape), with_bias ? name_of(role) + ".bias" : "");
  }
  void table(Role role, int n, int k) { add(role, name_of(role), false, {n, k}, 0, n, true); }
  void matrix(Role role, int n, int k, bool required = true) { add(role, name_of(role), true, {n, k}, 0, n, required); }
  // One whose name depends on what else the layer has.
  void matrix(Role role, std::string_view stem, int n, int k, bool with_bias = false) {
    add(role, numbered(stem), with_bias, {n, k}, 0, n, true);
  }
  // A tensor whose values are read as one vector.
  void values(Role role, std::string tensor, std::vector<std::int64_t> shape, std::string bias = "") {
    const int rows = static_cast<int>(shape[0]);
    bindings_.add(role, layer_,
                  {.tensor = std::move(tensor), .bias = std::move(bias), .shape = std::move(shape), .rows = rows, .is_vector = true});
  }
  void stack(Role role, const std::string& stem, int matrices, int n, int k, int used = 0) {
    bindings_.add(
        role, layer_,
        {.tensor = stem + ".weight", .bias = stem + ".bias", .shape = {matrices, n, k}, .rows = n, .experts = matrices, .used = used});
  }
  void stack(Role role, const Experts& experts, int n, int k) { stack(role, name_of(role), experts.count, n, k, experts.routing.used); }
  // The norm before the feed-forward part, which some converters call after what comes before it, and one leaves without the last part of
  // its name (Falcon-H1). The only norm of a layer is its first.
  void mlp_norm(bool after_mixer) {
    if (!after_mixer) return values(Role::kMlpNorm, name_of(Role::kMixerNorm) + ".weight", {spec_.dim});
    if (const auto bare = name_of(Role::kMlpNorm); present_.contains(bare)) return values(Role::kMlpNorm, bare, {spec_.dim});
    if (has("blk.{}.ffn_norm") || !has(kMlpNormOfSome)) return norm(Role::kMlpNorm, {spec_.dim});
    add(Role::kMlpNorm, numbered(kMlpNormOfSome), false, {spec_.dim}, 0, spec_.dim, true);
  }
  // LFM2's has the name that others give to a norm of the embeddings.
  void final_norm() {
    constexpr std::string_view kOtherName = "token_embd_norm";
    if (spec_.embedding_norm || !has(kOtherName)) return norm(Role::kFinalNorm, {spec_.dim});
    values(Role::kFinalNorm, std::string(kOtherName) + ".weight", {spec_.dim});
  }
  // Rows of `width` values, each of them added as it is.
  void rows(Role role, int n, int width) {
    if (n > 0) values(role, name_of(role) + ".weight", {n, width});
  }
  void dense(const std::string& name, const Dense& layer) {
    values(Role::kDense, name + ".weight", {layer.outputs, layer.inputs}, name + ".bias");
    if (layer.norm) values(Role::kDenseNorm, name + ".norm.weight", {layer.outputs});
  }
  // Matrices of k columns that lie one after the other in one tensor.
  void fused(std::string_view stem, int k, const std::vector<std::pair<Role, int>>& parts) {
    int n = 0;
    for (const auto& part : parts) n += part.second;
    int first = 0;
    for (const auto& [role, count] : parts) {
      add(role, numbered(stem), true, {n, k}, first, count, true);
      first += count;
    }
  }
  void streams_of_model() {
    for (const auto role : {Role::kStreamsIn, Role::kStreamsOut}) stack(role, name_of(role), spec_.streams - 1, spec_.dim, spec_.dim);
  }
  void streams_of_layer() {
    const int n = spec_.streams;
    norm(Role::kStreamRouterNorm, {spec_.dim});
    matrix(Role::kStreamRouter, n, spec_.dim);
    values(Role::kStreamPredictions, name_of(Role::kStreamPredictions) + ".weight", {n * n, n});
    values(Role::kStreamCorrections, name_of(Role::kStreamCorrections) + ".weight", {n, n});
    vector(Role::kStreamScale, spec_.dim);
  }
  void bypass(int rank) {
    matrix(Role::kBypassDown, rank, spec_.dim);
    matrix(Role::kBypassUp, spec_.dim, rank);
    norm(Role::kBypassNorm, {spec_.dim});
  }
  bool has(std::string_view stem) const { return present_.contains(numbered(stem) + ".weight"); }

  void mixer(const Attention& a) {
    const int q = a.heads * a.key_dim, k = a.kv_heads * a.key_dim, v = a.kv_heads * a.value_dim;
    if (a.gated && !has(kSeparateGate)) {  // the rows of each head's query and of its gate lie in turns
      in_turns(name_of(Role::kQuery), spec_.dim, q, a.key_dim, Role::kQuery, Role::kAttentionGate);
      matrix(Role::kKey, k, spec_.dim);
      matrix(Role::kValue, v, spec_.dim);
    } else if (has(kFusedQkv)) {
      std::vector<std::pair<Role, int>> parts{{Role::kQuery, q}};
      if (!a.shares) parts.emplace_back(Role::kKey, k);
      if (!a.shares && !a.values_of_keys) parts.emplace_back(Role::kValue, v);
      fused(kFusedQkv, spec_.dim, parts);
    } else {
      matrix(Role::kQuery, q, spec_.dim);
      if (!a.shares) matrix(Role::kKey, k, spec_.dim);
      if (!a.shares && !a.values_of_keys) matrix(Role::kValue, v, spec_.dim);
    }
    if (a.gated && has(kSeparateGate)) matrix(Role::kAttentionGate, kSeparateGate, a.heads * a.value_dim, spec_.dim);
    matrix(Role::kMixerOutput, spec_.dim, a.heads * a.value_dim);
    const auto of_heads = [&](int heads) -> std::vector<std::int64_t> {
      if (a.qk_norm == QkNorm::kEachHead) return {heads, a.key_dim};
      return {a.qk_norm == QkNorm::kWhole ? heads * a.key_dim : a.key_dim};
    };
    if (a.qk_norm != QkNorm::kNone && a.qk_norm != QkNorm::kUnit) {
      norm(Role::kQueryNorm, of_heads(a.heads));
      if (!a.shares) norm(Role::kKeyNorm, of_heads(a.kv_heads));
    }
    if (a.sinks) vector(Role::kSinks, a.heads);
  }

  void mixer(const LatentAttention& a) {
    const int q = a.heads * (a.key_dim + a.rotated);
    if (a.query_latent > 0) {
      matrix(Role::kQueryLatent, "blk.{}.attn_q_a", a.query_latent, spec_.dim, true);
      matrix(Role::kQuery, "blk.{}.attn_q_b", q, a.query_latent);
      values(Role::kQueryNorm, numbered("blk.{}.attn_q_a_norm") + ".weight", {a.query_latent});
    } else {
      matrix(Role::kQuery, q, spec_.dim);
    }
    matrix(Role::kLatent, "blk.{}.attn_kv_a_mqa", a.latent + a.rotated, spec_.dim, true);
    values(Role::kLatentNorm, numbered("blk.{}.attn_kv_a_norm") + ".weight", {a.latent});
    if (a.absorbed) {
      stack(Role::kAbsorbedKey, numbered("blk.{}.attn_k_b"), a.heads, a.latent, a.key_dim);
      stack(Role::kAbsorbedValue, numbered("blk.{}.attn_v_b"), a.heads, a.value_dim, a.latent);
    } else {
      const int period = a.key_dim + a.value_dim;
      pattern(Role::kKey, numbered("blk.{}.attn_kv_b"), {a.heads * period, a.latent}, 0, a.key_dim, period);
      pattern(Role::kValue, numbered("blk.{}.attn_kv_b"), {a.heads * period, a.latent}, a.key_dim, a.value_dim, period);
    }
    matrix(Role::kMixerOutput, spec_.dim, a.heads * a.value_dim);
  }

  void mixer(const Absent&) {}
  void feed_forward(const Absent&) {}

  void mixer(const ShortConvolution& c) {
    const int n = spec_.dim;
    fused("blk.{}.shortconv.in_proj", n, {{Role::kInputGate, n}, {Role::kOutputGate, n}, {Role::kRecurrentInput, n}});
    values(Role::kConvolution, numbered("blk.{}.shortconv.conv") + ".weight", {n, c.taps});
    matrix(Role::kMixerOutput, "blk.{}.shortconv.out_proj", n, n);
  }

  void mixer(const LinearAttention& a) {
    const int heads = a.scan.heads, inner = heads * a.scan.value_dim, columns = a.columns();
    if (a.delta) {
      matrix(Role::kRecurrentInput, kFusedQkv, columns, spec_.dim);
      matrix(Role::kOutputGate, kSeparateGate, inner, spec_.dim);
      if (has(kStrengthsAndSteps)) {  // of the heads of each key head
        in_turns(numbered(kStrengthsAndSteps), spec_.dim, heads, heads / a.scan.key_heads, Role::kStrengths, Role::kSteps);
      } else {
        matrix(Role::kStrengths, "blk.{}.ssm_beta", heads, spec_.dim);
        matrix(Role::kSteps, "blk.{}.ssm_alpha", heads, spec_.dim);
      }
      norm(Role::kScanNorm, {a.scan.value_dim});
    } else {
      fused("blk.{}.ssm_in", spec_.dim, {{Role::kOutputGate, inner}, {Role::kRecurrentInput, columns}, {Role::kSteps, heads}});
      values(Role::kSkip, numbered("blk.{}.ssm_d"), {heads, 1});
      if (a.norm_groups > 0) values(Role::kScanNorm, name_of(Role::kScanNorm) + ".weight", {a.norm_groups, inner / a.norm_groups});
    }
    values(Role::kConvolution, numbered(kConvolution) + ".weight", {columns, a.taps}, a.delta ? "" : numbered(kConvolution) + ".bias");
    values(Role::kStepBias, numbered("blk.{}.ssm_dt.bias"), {heads});
    values(Role::kRates, numbered("blk.{}.ssm_a"), a.delta ? std::vector<std::int64_t>{heads} : std::vector<std::int64_t>{heads, 1});
    matrix(Role::kMixerOutput, "blk.{}.ssm_out", spec_.dim, inner);
  }

  void feed_forward(const GatedMlp& mlp) {
    if (has(kFusedGateUp) && !has("blk.{}.ffn_gate")) {
      fused(kFusedGateUp, spec_.dim, {{Role::kGate, mlp.hidden}, {Role::kUp, mlp.hidden}});
    } else {
      matrix(Role::kGate, mlp.hidden, spec_.dim);
      matrix(Role::kUp, mlp.hidden, spec_.dim);
    }
    matrix(Role::kDown, spec_.dim, mlp.hidden);
  }

  void feed_forward(const Experts& experts) {
    matrix(Role::kRouter, experts.count, spec_.dim);
    if (experts.selection_bias)
      bindings_.add(Role::kRouterBias, layer_, {.tensor = numbered(kRouterBias), .shape = {experts.count}, .rows = experts.count});
    if (has(kFusedExperts)) {
      for (const auto& [role, first] : {std::pair{Role::kExpertGate, 0}, {Role::kExpertUp, experts.hidden}})
        bindings_.add(role, layer_,
                      {.tensor = numbered(kFusedExperts) + ".weight",
                       .shape = {experts.count, 2 * experts.hidden, spec_.dim},
                       .first_row = first,
                       .rows = experts.hidden,
                       .experts = experts.count,
                       .used = experts.routing.used});
    } else {
      if (experts.gated) stack(Role::kExpertGate, experts, experts.hidden, spec_.dim);
      stack(Role::kExpertUp, experts, experts.hidden, spec_.dim);
    }
    stack(Role::kExpertDown, experts, spec_.dim, experts.hidden);
    if (experts.shared_hidden == 0) return;
    if (experts.shared_router) vector(Role::kSharedRouter, spec_.dim);
    if (experts.gated) matrix(Role::kSharedGate, experts.shared_hidden, spec_.dim);
    matrix(Role::kSharedUp, experts.shared_hidden, spec_.dim);
    matrix(Role::kSharedDown, spec_.dim, experts.shared_hidden);
  }

  void feed_forward(const MlpAndExperts& both) {
    feed_forward(both.mlp);
    feed_forward(both.experts);
    values(Role::kRouterScale, numbered("blk.{}.ffn_gate_inp.scale"), {spec_.dim});
    if (present_.contains(numbered(kExpertScales))) values(Role::kExpertScales, numbered(kExpertScales), {both.experts.count});
    for (const auto role : {Role::kMlpOwnNormAfter, Role::kExpertsNorm, Role::kExpertsNormAfter}) norm(role, {spec_.dim});
  }

  void feed_forward(const PlainMlp& mlp) {
    matrix(Role::kUp, mlp.hidden, spec_.dim);
    matrix(Role::kDown, spec_.dim, mlp.hidden);
  }

 private:
  // Two matrices of n rows, of which `run` rows lie in turns in one tensor.
  void in_turns(const std::string& stem, int k, int n, int run, Role first, Role second) {
    pattern(first, stem, {2 * n, k}, 0, run, 2 * run);
    pattern(second, stem, {2 * n, k}, run, run, 2 * run);
  }
  // Of each `period` rows of a tensor, `run` from `first` on.
  void pattern(Role role, const std::string& stem, std::vector<std::int64_t> shape, int first, int run, int period) {
    const int rows = static_cast<int>(shape[0]) / period * run;
    bindings_.add(role, layer_,
                  {.tensor = stem + ".weight",
                   .bias = stem + ".bias",
                   .shape = std::move(shape),
                   .first_row = first,
                   .rows = rows,
                   .run = run,
                   .period = period});
  }
  void add(Role role, const std::string& stem, bool with_bias, std::vector<std::int64_t> shape, int first, int count, bool required) {
    const std::string bias = with_bias ? stem + ".bias" : "";
    bindings_.add(
        role, layer_,
        {.tensor = stem + ".weight", .bias = bias, .shape = std::move(shape), .first_row = first, .rows = count, .required = required});
  }
  std::string name_of(Role role) const {
    return numbered(std::ranges::find(kGgufNames, role, &std::pair<Role, std::string_view>::first)->second);
  }
  std::string numbered(std::string_view stem) const {
    const auto at = stem.find("{}");
    if (at == stem.npos) return std::string(stem);
    return std::string(stem.substr(0, at)) + std::to_string(block_) + std::string(stem.substr(at + 2));
  }

  Bindings& bindings_;
  const ModelSpec& spec_;
  const TensorNames& present_;
  const int layer_, block_;
};

}  // namespace

formats::Tensor Binding::part_of(const formats::Tensor& whole) const {
  auto part = run == 0 ? whole.rows(first_row, rows) : whole.rows_of_each(first_row, run, period, rows);
  if (is_vector) part.shape = {static_cast<std::int64_t>(part.elements())};
  return part;
}

std::vector<std::size_t> Binding::rows_of_part() const {
  std::vector<std::size_t> numbers;
  for (int i = 0; i < rows; ++i) numbers.push_back(static_cast<std::size_t>(first_row + (run == 0 ? i : i / run * period + i % run)));
  return numbers;
}

const Binding* Bindings::find(Role role, int layer) const {
  const auto found = all_.find({layer, role});
  return found == all_.end() ? nullptr : &found->second;
}

std::vector<formats::Tensor> Bindings::parts(const formats::Checkpoint& file) const {
  std::vector<formats::Tensor> parts;
  for (const auto& [role, binding] : all_) {
    const auto* tensor = file.find(binding.tensor);
    const auto* bias = file.find(binding.bias);
    if (tensor && binding.experts == 0) parts.push_back(binding.part_of(*tensor));
    if (bias && binding.experts == 0) parts.push_back(binding.part_of(*bias));
    for (int i = 0; i < binding.experts; ++i) {
      if (tensor) parts.push_back(binding.part_of(tensor->at(i)));
      if (bias) parts.push_back(bias->at(i));
    }
  }
  return parts;
}

std::vector<formats::Tensor> Bindings::experts(const formats::Checkpoint& file) const {
  std::vector<formats::Tensor> experts;
  for (const auto& [role, binding] : all_) {
    const auto* stack = binding.used > 0 ? file.find(binding.tensor) : nullptr;
    for (int i = 0; stack && i < binding.experts; ++i) experts.push_back(binding.part_of(stack->at(i)));
  }
  return experts;
}

int rows_of(std::span<const formats::Tensor> tensors, std::string_view name) {
  const auto matrix = std::ranges::find(tensors, name, &formats::Tensor::name);
  return matrix == tensors.end() || matrix->shape.empty() ? 0 : static_cast<int>(std::min<std::int64_t>(matrix->shape[0], 1 << 20));
}

Bindings bind_gguf(const ModelSpec& spec, const TensorNames& present) {
  Bindings bindings;
  Binder whole(bindings, spec, present, kWholeModel);
  whole.table(Role::kEmbeddings, spec.vocabulary, spec.dim);
  whole.matrix(Role::kHead, spec.vocabulary, spec.dim, false);
  if (spec.final_norm) whole.final_norm();
  if (spec.embedding_norm) whole.norm(Role::kEmbeddingNorm, {spec.dim});
  whole.rows(Role::kPositions, spec.positions, spec.dim);
  whole.rows(Role::kTokenTypes, spec.token_types, spec.dim);
  for (int i = 0; const auto& layer : spec.embedder.layers) {
    const bool last = std::cmp_equal(i + 1, spec.embedder.layers.size());
    Binder(bindings, spec, present, i).dense(spec.embedder.scores ? last ? "cls.output" : "cls" : "dense_" + std::to_string(i + 2), layer);
    ++i;
  }
  if (spec.rope_factors) {
    for (const auto role : {Role::kRopeFactors, Role::kRopeFactorsLong, Role::kRopeFactorsShort})
      whole.vector(role, static_cast<int>(spec.ropes[0].frequencies.size()), false);
  }
  const int inputs = spec.layer_inputs, of_all_layers = inputs * static_cast<int>(spec.layers.size());
  if (inputs > 0) {
    whole.table(Role::kLayerInputTable, spec.vocabulary, of_all_layers);
    whole.matrix(Role::kLayerInputProjection, of_all_layers, spec.dim);
    whole.norm(Role::kLayerInputNorm, {inputs});
  }
  if (spec.streams > 1) whole.streams_of_model();
  for (int i = 0, block = -1; i < static_cast<int>(spec.layers.size()); ++i) {
    const auto& layer = spec.layers[static_cast<std::size_t>(i)];
    if (!layer.beside) ++block;
    Binder of_layer(bindings, spec, present, i, block);
    const bool mixes = !std::holds_alternative<Absent>(layer.mixer), feeds = !std::holds_alternative<Absent>(layer.feed_forward);
    // The embeddings' own norm may stand for the first one.
    const bool normed = i == 0 && spec.embedding_norm && !of_layer.has("blk.{}.attn_norm");
    if (layer.norms_before && mixes && !layer.beside && !normed) of_layer.norm(Role::kMixerNorm, {spec.dim});
    if (layer.norms_before && feeds && !layer.parallel) of_layer.mlp_norm(mixes);
    if (layer.norms_after) {
      of_layer.norm(Role::kNormAfterMixer, {spec.dim});
      of_layer.norm(Role::kNormAfterMlp, {spec.dim});
    }
    if (layer.norms_sums) {
      of_layer.norm(Role::kMixerSumNorm, {spec.dim});
      of_layer.norm(Role::kMlpSumNorm, {spec.dim});
    }
    if (inputs > 0) {
      of_layer.matrix(Role::kLayerInputGate, inputs, spec.dim);
      of_layer.matrix(Role::kLayerInputOutput, spec.dim, inputs);
      of_layer.norm(Role::kLayerInputNormAfter, {spec.dim});
    }
    if (layer.scaled) of_layer.vector(Role::kLayerScale, 1);
    if (layer.bypass > 0) of_layer.bypass(layer.bypass);
    if (spec.streams > 1) of_layer.streams_of_layer();
    std::visit([&](const auto& mixer) { of_layer.mixer(mixer); }, layer.mixer);
    std::visit([&](const auto& feed_forward) { of_layer.feed_forward(feed_forward); }, layer.feed_forward);
  }
  return bindings;
}

bool is_harmless(const ModelSpec& spec, std::string_view name) {
  for (int i = 0; i < spec.further_layers; ++i)
    if (name.starts_with("blk." + std::to_string(spec.blocks() + i) + ".")) return true;
  if (name.starts_with("cls.")) return !spec.embedder.scores;  // a head that pooling does not ask for
  for (int block = -1; const auto& layer : spec.layers) {
    if (!layer.beside) ++block;
    const auto* attention = std::get_if<Attention>(&layer.mixer);
    const auto prefix = "blk." + std::to_string(block) + ".attn_";
    if (!attention || !attention->shares || !name.starts_with(prefix)) continue;
    const auto rest = name.substr(prefix.size());
    if (rest == "k.weight" || rest == "v.weight" || rest == "k_norm.weight") return true;
  }
  return name.starts_with("blk.") && name.ends_with(".attn_rot_embd.weight");
}

Result<void> check_tensors(const ModelSpec& spec, const Bindings& bindings, std::span<const formats::Tensor> tensors) {
  std::unordered_map<std::string_view, const std::vector<std::int64_t>*> known;  // the shape of each
  std::vector<std::vector<std::int64_t>> shapes_of_biases;
  shapes_of_biases.reserve(bindings.all().size());
  for (const auto& [role, binding] : bindings.all()) {
    known.emplace(binding.tensor, &binding.shape);
    if (!binding.bias.empty()) {  // without the columns
      const auto end = binding.shape.end() - (binding.shape.size() > 1 ? 1 : 0);
      known.emplace(binding.bias, &shapes_of_biases.emplace_back(binding.shape.begin(), end));
    }
  }
  std::unordered_set<std::string_view> present;
  for (const auto& tensor : tensors) {
    const auto shape = known.find(tensor.name);
    if (shape == known.end()) {
      if (is_harmless(spec, tensor.name)) continue;
      return fail(ErrorCode::kUnsupported, "MLXR does not know the tensor " + formats::printable(tensor.name) +
                                               " in models of architecture " + spec.architecture + ", so it does not run the model.");
    }
    if (tensor.shape != *shape->second) {
      return fail(ErrorCode::kCorrupt, "Tensor " + std::string(tensor.name) + " has the shape " + text(tensor.shape) +
                                           "; the model's description asks for " + text(*shape->second) + ".");
    }
    present.insert(tensor.name);
  }
  for (const auto& [role, binding] : bindings.all()) {
    if (present.contains(binding.tensor)) continue;
    if (binding.required) return fail(ErrorCode::kCorrupt, "The model has no tensor " + binding.tensor + ".");
    if (!binding.bias.empty() && present.contains(binding.bias))
      return fail(ErrorCode::kUnsupported, "MLXR cannot run models whose " + binding.bias + " comes without " + binding.tensor + ".");
  }
  return {};
}

}  // namespace mlxr::models
