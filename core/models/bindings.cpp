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
    {Role::kNormAfterMixer, "blk.{}.post_attention_norm"},
    {Role::kMlpNorm, "blk.{}.ffn_norm"},
    {Role::kGate, "blk.{}.ffn_gate"},
    {Role::kUp, "blk.{}.ffn_up"},
    {Role::kDown, "blk.{}.ffn_down"},
    {Role::kNormAfterMlp, "blk.{}.post_ffw_norm"},
};
constexpr std::string_view kFusedQkv = "blk.{}.attn_qkv", kFusedGateUp = "blk.{}.ffn_up";

std::string text(const std::vector<std::int64_t>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

// Makes the bindings of one layer, or of the whole model.
class Binder {
 public:
  Binder(Bindings& bindings, const ModelSpec& spec, const TensorNames& present, int layer)
      : bindings_(bindings), spec_(spec), present_(present), layer_(layer) {}

  void vector(Role role, int n, bool required = true) { add(role, name_of(role), false, {n}, 0, n, required); }
  void norm(Role role, std::vector<std::int64_t> shape) {
    const int rows = static_cast<int>(shape[0]);
    const bool with_bias = spec_.norm == NormKind::kLayer && shape.size() == 1;
    add(role, name_of(role), with_bias, std::move(shape), 0, rows, true);
  }
  void table(Role role, int n, int k) { add(role, name_of(role), false, {n, k}, 0, n, true); }
  void matrix(Role role, int n, int k, bool required = true) { add(role, name_of(role), true, {n, k}, 0, n, required); }
  // Matrices of k columns that lie one after the other in one tensor.
  void fused(std::string_view stem, int k, std::initializer_list<std::pair<Role, int>> parts) {
    int n = 0;
    for (const auto& part : parts) n += part.second;
    int first = 0;
    for (const auto& [role, count] : parts) {
      add(role, numbered(stem), true, {n, k}, first, count, true);
      first += count;
    }
  }
  bool has(std::string_view stem) const { return present_.contains(numbered(stem) + ".weight"); }

  void mixer(const Attention& a) {
    const int q = a.heads * a.key_dim, k = a.kv_heads * a.key_dim, v = a.kv_heads * a.value_dim;
    if (has(kFusedQkv)) {
      fused(kFusedQkv, spec_.dim, {{Role::kQuery, q}, {Role::kKey, k}, {Role::kValue, v}});
    } else {
      matrix(Role::kQuery, q, spec_.dim);
      matrix(Role::kKey, k, spec_.dim);
      matrix(Role::kValue, v, spec_.dim);
    }
    matrix(Role::kMixerOutput, spec_.dim, a.heads * a.value_dim);
    const auto of_heads = [&](int heads) -> std::vector<std::int64_t> {
      if (a.qk_norm == QkNorm::kEachHead) return {heads, a.key_dim};
      return {a.qk_norm == QkNorm::kWhole ? heads * a.key_dim : a.key_dim};
    };
    if (a.qk_norm != QkNorm::kNone) {
      norm(Role::kQueryNorm, of_heads(a.heads));
      norm(Role::kKeyNorm, of_heads(a.kv_heads));
    }
    if (a.sinks) vector(Role::kSinks, a.heads);
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

  void feed_forward(const PlainMlp& mlp) {
    matrix(Role::kUp, mlp.hidden, spec_.dim);
    matrix(Role::kDown, spec_.dim, mlp.hidden);
  }

 private:
  void add(Role role, const std::string& stem, bool with_bias, std::vector<std::int64_t> shape, int first, int count, bool required) {
    const std::string bias = with_bias ? stem + ".bias" : "";
    bindings_.add(role, layer_, {stem + ".weight", bias, std::move(shape), first, count, required});
  }
  std::string name_of(Role role) const {
    return numbered(std::ranges::find(kGgufNames, role, &std::pair<Role, std::string_view>::first)->second);
  }
  std::string numbered(std::string_view stem) const {
    const auto at = stem.find("{}");
    if (at == stem.npos) return std::string(stem);
    return std::string(stem.substr(0, at)) + std::to_string(layer_) + std::string(stem.substr(at + 2));
  }

  Bindings& bindings_;
  const ModelSpec& spec_;
  const TensorNames& present_;
  const int layer_;
};

}  // namespace

const Binding* Bindings::find(Role role, int layer) const {
  const auto found = all_.find({layer, role});
  return found == all_.end() ? nullptr : &found->second;
}

std::vector<formats::Tensor> Bindings::parts(const formats::Checkpoint& file) const {
  std::vector<formats::Tensor> parts;
  for (const auto& [role, binding] : all_) {
    if (const auto* tensor = file.find(binding.tensor)) parts.push_back(tensor->rows(binding.first_row, binding.rows));
    if (const auto* bias = file.find(binding.bias)) parts.push_back(bias->rows(binding.first_row, binding.rows));
  }
  return parts;
}

Bindings bind_gguf(const ModelSpec& spec, const TensorNames& present) {
  Bindings bindings;
  Binder whole(bindings, spec, present, kWholeModel);
  whole.table(Role::kEmbeddings, spec.vocabulary, spec.dim);
  whole.matrix(Role::kHead, spec.vocabulary, spec.dim, false);
  whole.norm(Role::kFinalNorm, {spec.dim});
  if (spec.rope_factors) {
    for (const auto role : {Role::kRopeFactors, Role::kRopeFactorsLong, Role::kRopeFactorsShort})
      whole.vector(role, static_cast<int>(spec.ropes[0].frequencies.size()), false);
  }
  for (int i = 0; i < static_cast<int>(spec.layers.size()); ++i) {
    const auto& layer = spec.layers[static_cast<std::size_t>(i)];
    Binder of_layer(bindings, spec, present, i);
    if (layer.norms_before) of_layer.norm(Role::kMixerNorm, {spec.dim});
    if (layer.norms_before && !layer.parallel) of_layer.norm(Role::kMlpNorm, {spec.dim});
    if (layer.norms_after) {
      of_layer.norm(Role::kNormAfterMixer, {spec.dim});
      of_layer.norm(Role::kNormAfterMlp, {spec.dim});
    }
    std::visit([&](const auto& mixer) { of_layer.mixer(mixer); }, layer.mixer);
    std::visit([&](const auto& feed_forward) { of_layer.feed_forward(feed_forward); }, layer.feed_forward);
  }
  return bindings;
}

bool is_harmless(std::string_view name) { return name.starts_with("blk.") && name.ends_with(".attn_rot_embd.weight"); }

Result<void> check_tensors(const ModelSpec& spec, const Bindings& bindings, std::span<const formats::Tensor> tensors) {
  std::unordered_map<std::string_view, const std::vector<std::int64_t>*> known;  // the shape of each
  std::vector<std::vector<std::int64_t>> shapes_of_biases;
  shapes_of_biases.reserve(bindings.all().size());
  for (const auto& [role, binding] : bindings.all()) {
    known.emplace(binding.tensor, &binding.shape);
    if (!binding.bias.empty()) known.emplace(binding.bias, &shapes_of_biases.emplace_back(1, binding.shape[0]));
  }
  std::unordered_set<std::string_view> present;
  for (const auto& tensor : tensors) {
    const auto shape = known.find(tensor.name);
    if (shape == known.end()) {
      if (is_harmless(tensor.name)) continue;
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
