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
  Binder(Bindings& bindings, int layer) : bindings_(bindings), layer_(layer) {}

  void vector(Role role, int n, bool required = true) { bindings_.add(role, layer_, {name_of(role) + ".weight", {}, {n}, 0, n, required}); }
  void table(Role role, int n, int k) { bindings_.add(role, layer_, {name_of(role) + ".weight", {}, {n, k}, 0, n}); }
  void matrix(Role role, int n, int k, bool required = true) { rows(role, name_of(role), n, k, 0, n, required); }
  // Matrices of k columns that lie one after the other in one tensor.
  void fused(std::string_view stem, int k, std::initializer_list<std::pair<Role, int>> parts) {
    int n = 0;
    for (const auto& part : parts) n += part.second;
    int first = 0;
    for (const auto& [role, count] : parts) {
      rows(role, numbered(stem), n, k, first, count, true);
      first += count;
    }
  }

 private:
  void rows(Role role, const std::string& stem, int n, int k, int first, int count, bool required) {
    bindings_.add(role, layer_, {stem + ".weight", stem + ".bias", {n, k}, first, count, required});
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
  const int layer_;
};

void bind(Binder& binder, const Attention& a, int dim, bool fused) {
  const int q = a.heads * a.key_dim, k = a.kv_heads * a.key_dim, v = a.kv_heads * a.value_dim;
  if (fused) {
    binder.fused(kFusedQkv, dim, {{Role::kQuery, q}, {Role::kKey, k}, {Role::kValue, v}});
  } else {
    binder.matrix(Role::kQuery, q, dim);
    binder.matrix(Role::kKey, k, dim);
    binder.matrix(Role::kValue, v, dim);
  }
  binder.matrix(Role::kMixerOutput, dim, a.heads * a.value_dim);
  if (a.head_norms) {
    binder.vector(Role::kQueryNorm, a.key_dim);
    binder.vector(Role::kKeyNorm, a.key_dim);
  }
  if (a.sinks) binder.vector(Role::kSinks, a.heads);
}

void bind(Binder& binder, const GatedMlp& mlp, int dim, bool fused) {
  if (fused) {
    binder.fused(kFusedGateUp, dim, {{Role::kGate, mlp.hidden}, {Role::kUp, mlp.hidden}});
  } else {
    binder.matrix(Role::kGate, mlp.hidden, dim);
    binder.matrix(Role::kUp, mlp.hidden, dim);
  }
  binder.matrix(Role::kDown, dim, mlp.hidden);
}

}  // namespace

const Binding* Bindings::find(Role role, int layer) const {
  const auto found = all_.find({layer, role});
  return found == all_.end() ? nullptr : &found->second;
}

Bindings bind_gguf(const ModelSpec& spec, const Family& family) {
  Bindings bindings;
  Binder whole(bindings, kWholeModel);
  whole.table(Role::kEmbeddings, spec.vocabulary, spec.dim);
  whole.matrix(Role::kHead, spec.vocabulary, spec.dim, false);
  whole.vector(Role::kFinalNorm, spec.dim);
  if (spec.rope_factors) whole.vector(Role::kRopeFactors, static_cast<int>(spec.ropes[0].frequencies.size()), false);
  for (int i = 0; i < static_cast<int>(spec.layers.size()); ++i) {
    const auto& layer = spec.layers[static_cast<std::size_t>(i)];
    Binder of_layer(bindings, i);
    of_layer.vector(Role::kMixerNorm, spec.dim);
    of_layer.vector(Role::kMlpNorm, spec.dim);
    if (layer.norms_after) {
      of_layer.vector(Role::kNormAfterMixer, spec.dim);
      of_layer.vector(Role::kNormAfterMlp, spec.dim);
    }
    std::visit([&](const auto& mixer) { bind(of_layer, mixer, spec.dim, family.fused); }, layer.mixer);
    std::visit([&](const auto& feed_forward) { bind(of_layer, feed_forward, spec.dim, family.fused); }, layer.feed_forward);
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
