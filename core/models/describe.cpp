#include "core/models/describe.h"

#include <algorithm>
#include <cmath>

#include "core/formats/printable.h"
#include "core/models/family.h"
#include "core/models/key_reader.h"
#include "core/models/keys.h"
#include "core/models/latent_layers.h"
#include "core/models/recurrent_layers.h"
#include "core/models/ropes.h"

namespace mlxr::models {
namespace {

// Far above every vocabulary in the field, and low enough that token counts fit in an int.
constexpr std::int64_t kMaxVocabulary = 1 << 24;
constexpr std::int64_t kMaxContext = 1 << 26;
constexpr int kUnknownContext = 4096;  // tokens, where the file says 0

TensorNames names_of(std::span<const formats::Tensor> tensors) {
  TensorNames names;
  for (const auto& tensor : tensors) names.insert(tensor.name);
  return names;
}

int read_context(KeyReader& read) {
  const auto context = read.number("context_length", {}, 0, 1e18);
  return context == 0 ? kUnknownContext : static_cast<int>(std::min<double>(context, kMaxContext));
}

// The window of each layer, in tokens. In the file, the pattern is absent, a period, or one boolean for each layer.
std::vector<int> read_windows(KeyReader& read, const Family& family, int layers) {
  std::vector<int> windows(static_cast<std::size_t>(layers));
  if (family.global_every == 1) return windows;
  const int window = read.integer("attention.sliding_window", family.default_window, family.default_window == 0 ? 0 : 1, 1 << 26);
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  const auto* pattern = read.find(kPattern);
  if (const auto* local = pattern ? std::get_if<std::vector<bool>>(pattern) : nullptr) {
    if (local->size() != windows.size()) read.note(ErrorCode::kCorrupt, kPattern, "not one boolean for each layer");
    for (std::size_t i = 0; i < std::min(local->size(), windows.size()); ++i) windows[i] = (*local)[i] ? window : 0;
    return windows;
  }
  const int period = read.integer(kPattern, family.global_every, 1, 1024);
  for (int i = 0; i < layers; ++i) windows[static_cast<std::size_t>(i)] = (i + 1) % period == 0 ? 0 : window;
  return windows;
}

// Which of its layers know positions.
std::vector<bool> with_rope(const Family& family, const std::vector<int>& windows) {
  std::vector<bool> with(windows.size(), true);
  const bool any_window = std::ranges::any_of(windows, [](int window) { return window > 0; });
  for (std::size_t i = 0; i < with.size(); ++i) {
    if (family.no_rope == NoRope::kAlways) with[i] = false;
    if (family.no_rope == NoRope::kEveryFourth) with[i] = (i + 1) % 4 != 0;
    if (family.no_rope == NoRope::kWhereWindowsAreAbsent && any_window) with[i] = windows[i] > 0;
  }
  return with;
}

Result<void> check_heads(const Attention& a) {
  if (a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0) return {};
  return fail(ErrorCode::kUnsupported,
              "MLXR cannot run this shape: " + std::to_string(a.heads) + " heads and " + std::to_string(a.kv_heads) + " KV heads.");
}

// Adds a rope whose magnitude grows, if attention has a temperature that does; the index of the rope for queries.
std::optional<int> read_temperature(KeyReader& read, std::vector<ops::Rope>& ropes, int key_dim) {
  const double growth = read.number("attention.temperature_scale", 0, 0, 100);
  if (growth == 0) return std::nullopt;
  const int tokens = original_context(read);
  if (tokens == 0) read.note(ErrorCode::kCorrupt, "rope.scaling.original_context_length", "missing");
  if (std::cmp_not_equal(2 * ropes[0].frequencies.size(), key_dim))
    read.note(ErrorCode::kUnsupported, "attention.temperature_scale", "there, and heads are not rotated as a whole");
  auto& rope = ropes.emplace_back(ropes[0]);
  rope.growth = static_cast<float>(growth);
  rope.growth_tokens = std::max(1, tokens);
  return static_cast<int>(ropes.size()) - 1;
}

// The experts of a layer whose feed-forward part would have `hidden` values without them. None: the model has no experts.
std::optional<Experts> read_experts(KeyReader& read, const Family& family, int hidden) {
  if (!family.experts) return std::nullopt;
  Experts experts{.count = read.integer("expert_count", 0, 0, 1 << 14), .gated = !family.plain_mlp, .activation = family.activation};
  if (experts.count == 0) return std::nullopt;
  experts.hidden = read.integer("expert_feed_forward_length", hidden, 1, 1 << 20);
  auto& routing = experts.routing;
  routing.used = read.integer("expert_used_count", {}, 1, experts.count);
  routing.normalised = read.boolean("expert_weights_norm", family.experts->normalised);
  const double scale = read.number("expert_weights_scale", 1, 0, 1e6);
  routing.scale = scale == 0 ? 1 : static_cast<float>(scale);
  constexpr int kSoftmax = 1, kSigmoid = 2, kSoftmaxOfChosen = 3;  // the last is the first, normalised
  const int gating = read.integer("expert_gating_func", family.experts->sigmoid ? kSigmoid : kSoftmax, 0, kSoftmaxOfChosen);
  routing.sigmoid = gating == kSigmoid || (gating == 0 && family.experts->sigmoid);
  if (gating == kSoftmaxOfChosen) routing.normalised = true;
  routing.groups = std::max(1, read.integer("expert_group_count", 1, 0, experts.count));
  routing.groups_used = read.integer("expert_group_used_count", routing.groups, 0, routing.groups);
  if (routing.groups_used == 0) routing.groups_used = routing.groups;
  if (experts.count % routing.groups != 0 || experts.count / routing.groups * routing.groups_used < routing.used)
    read.note(ErrorCode::kUnsupported, "expert_group_count", std::to_string(routing.groups));
  const int shared = read.integer("expert_shared_count", 0, 0, 64) * experts.hidden;
  experts.shared_hidden = read.integer("expert_shared_feed_forward_length", family.experts->shared_router ? hidden : shared, 0, 1 << 20);
  experts.shared_router = family.experts->shared_router;
  return experts;
}

// Of the layers before `end`, the last one with the window of layer i.
std::optional<int> last_of_its_kind(const std::vector<int>& windows, std::size_t i, int end) {
  for (int j = end - 1; j >= 0; --j)
    if (windows[static_cast<std::size_t>(j)] == windows[i]) return j;
  return std::nullopt;
}

// What the layers of a model have in common.
struct Common {
  LayerSpec layer;
  Attention attention;
};

Common read_common(KeyReader& read, const Family& family, const TensorNames& tensors) {
  Common all;
  all.layer.norms_before = family.norms_before;
  all.layer.norms_after = family.norms_after;
  all.layer.parallel = family.parallel || read.boolean("use_parallel_residual", false);
  auto& attention = all.attention;
  attention.softcap = static_cast<float>(read.number("attn_logit_softcapping", 0, 0, 1e6));
  if (!family.qk_norm_is_optional || tensors.contains("blk.0.attn_q_norm.weight")) attention.qk_norm = family.qk_norm;
  return all;
}

Result<void> read_layers(KeyReader& read, const Family& family, const TensorNames& tensors, ModelSpec& spec) {
  // Some files end with layers that predict tokens further ahead; they are not part of the model.
  const int further = read.integer("nextn_predict_layers", 0, 0, 64), all = read.integer("block_count", {}, 1, 1024);
  const int layers = all - further;
  if (layers < 1) read.note(ErrorCode::kCorrupt, "nextn_predict_layers", std::to_string(further));
  if (read.problem()) return fail(*read.problem());
  spec.further_layers = further;
  const int least = family.recurrence == Recurrence::kNone ? 1 : 0;
  const auto heads = read.integers("attention.head_count", layers, {}, least, 4096);
  const auto kv_heads = read.find("attention.head_count_kv") ? read.integers("attention.head_count_kv", layers, {}, least, 4096) : heads;
  const auto recurrent = read_recurrent_layers(read, family, kv_heads);
  const auto hidden = read.integers("feed_forward_length", layers, {}, family.single_parts ? 0 : 1, 1 << 20);
  const auto even_share = heads[0] > 0 && spec.dim % heads[0] == 0 ? std::optional(spec.dim / heads[0]) : std::nullopt;
  const int key_dim = read.integer("attention.key_length", even_share, 2, 1024);
  const int value_dim = read.integer("attention.value_length", key_dim, 1, 1024);
  const double own_scale = read.number("attention.scale", 0, 0, 1e6);
  const auto windows = read_windows(read, family, layers);
  const auto roped = with_rope(family, windows);
  const int local_key_dim = read.integer("attention.key_length_swa", key_dim, 2, 1024);
  const int local_value_dim = read.integer("attention.value_length_swa", key_dim == local_key_dim ? value_dim : local_key_dim, 1, 1024);
  const int sharing = read.integer("attention.shared_kv_layers", 0, 0, layers - 1);
  spec.layer_inputs = read.integer("embedding_length_per_layer_input", 0, 0, 1 << 16);
  spec.ropes = read_ropes(read, family, key_dim, local_key_dim);
  const int local_rope = static_cast<int>(spec.ropes.size()) - 1;
  const auto query_rope = read_temperature(read, spec.ropes, key_dim);
  auto [layer, attention] = read_common(read, family, tensors);
  const auto recurrent_mixer = std::ranges::find(recurrent, true) != recurrent.end() ? read_recurrent_mixer(read, family) : Mixer();
  const auto latent = family.latent ? read_latent_attention(read, tensors, heads[0], spec.ropes[0]) : LatentAttention();
  const int dense = read.integer("leading_dense_block_count", 0, 0, layers);
  auto experts = read_experts(read, family, hidden[0]);
  if (read.problem()) return fail(*read.problem());
  attention.sinks = family.sinks;
  attention.gated = family.gated_attention;
  attention.value_norm = family.value_norm;
  for (std::size_t i = 0; i < static_cast<std::size_t>(layers); ++i) {
    attention.heads = heads[i];
    attention.kv_heads = kv_heads[i];
    attention.window = windows[i];
    attention.key_dim = windows[i] > 0 ? local_key_dim : key_dim;
    attention.value_dim = windows[i] > 0 ? local_value_dim : value_dim;
    const auto has = [&](std::string_view name) { return tensors.contains("blk." + std::to_string(i) + "." + std::string(name)); };
    attention.shares = std::cmp_greater_equal(i, layers - sharing) ? last_of_its_kind(windows, i, layers - sharing) : std::nullopt;
    if (std::cmp_greater_equal(i, layers - sharing) && !attention.shares)
      read.note(ErrorCode::kCorrupt, "attention.shared_kv_layers", std::to_string(sharing));
    attention.values_of_keys = family.value_norm && !attention.shares && !has("attn_v.weight");
    layer.scaled = has("layer_output_scale.weight");
    attention.rope = roped[i] ? std::optional(windows[i] > 0 ? local_rope : 0) : std::nullopt;
    attention.query_rope = roped[i] ? query_rope : std::nullopt;
    const int width = layers == family.layers_scaled_by_share ? spec.dim / std::max(1, heads[i]) : key_dim;
    attention.scale = own_scale > 0 ? static_cast<float>(own_scale) : 1 / std::sqrt(static_cast<float>(width));
    if (family.unscaled_attention) attention.scale = 1;
    if (family.single_parts && hidden[i] > 0) {
      layer.mixer = Absent();
    } else if (recurrent[i]) {
      layer.mixer = recurrent_mixer;
    } else if (family.latent) {
      layer.mixer = latent;
    } else if (auto ok = check_heads(attention); !ok) {
      return ok;
    } else {
      layer.mixer = attention;
    }
    if (family.single_parts && hidden[i] == 0) {
      layer.feed_forward = Absent();
    } else if (experts && family.experts_beside_mlp && has("ffn_gate_inp.weight")) {
      layer.feed_forward = MlpAndExperts{{hidden[i], family.activation}, *experts};
    } else if (experts && !family.experts_beside_mlp && std::cmp_greater_equal(i, dense)) {
      experts->selection_bias = has("exp_probs_b.bias");
      layer.feed_forward = *experts;
    } else if (family.plain_mlp) {
      layer.feed_forward = PlainMlp{hidden[i], family.activation};
    } else {
      layer.feed_forward = GatedMlp{hidden[i], family.activation};
    }
    spec.layers.push_back(layer);
  }
  if (read.problem()) return fail(*read.problem());
  return {};
}

// Scales of the whole model. A scale of what each layer adds to the residual stream is the same as the stream divided by it: norms do not
// see that, if their eps is divided too.
void read_scales(KeyReader& read, const Family& family, ModelSpec& spec) {
  const double residual = read.number("residual_scale", 1, 1e-6, 1e6), logits = read.number("logit_scale", 1, 1e-6, 1e6);
  double embeddings = read.number("embedding_scale", 1, 1e-6, 1e6);
  if (family.scale_embeddings) embeddings *= std::sqrt(static_cast<double>(spec.dim));
  spec.inner_eps = spec.norm_eps;
  spec.embed_scale = static_cast<float>(embeddings / residual);
  spec.norm_eps = static_cast<float>(spec.norm_eps / (residual * residual));
  spec.logit_scale = static_cast<float>(family.divide_logits ? 1 / logits : logits);
  spec.logit_softcap = static_cast<float>(read.number("final_logit_softcapping", 0, 0, 1e6));
}

// The number of rows of the embeddings.
Result<int> count_tokens(std::span<const formats::Tensor> tensors) {
  const auto embeddings = std::ranges::find(tensors, "token_embd.weight", &formats::Tensor::name);
  if (embeddings == tensors.end()) return fail(ErrorCode::kCorrupt, "The model has no tensor token_embd.weight.");
  if (embeddings->shape.size() == 2 && embeddings->shape[0] <= kMaxVocabulary) return static_cast<int>(embeddings->shape[0]);
  return fail(ErrorCode::kCorrupt,
              "Tensor token_embd.weight should be a matrix with a row for each token, at most " + std::to_string(kMaxVocabulary) + ".");
}

}  // namespace

Result<ModelSpec> read_spec(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors) {
  const auto architecture = metadata.string("general.architecture");
  if (!architecture) return fail(ErrorCode::kCorrupt, "The model does not say its architecture (general.architecture).");
  const Family* family = find_family(*architecture);
  if (!family) return fail(ErrorCode::kUnsupported, "MLXR cannot run the architecture " + formats::printable(*architecture) + " yet.");
  if (auto known = check_keys(metadata, *family); !known) return fail(known.error());

  KeyReader read(metadata, *architecture);
  ModelSpec spec{.architecture = std::string(*architecture)};
  spec.dim = read.integer("embedding_length", {}, 1, 1 << 17);
  spec.context = read_context(read);
  spec.original_context = original_context(read);
  spec.norm = family->norm;
  const auto eps = spec.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  spec.norm_eps = static_cast<float>(read.number(eps, {}, 0, 1));
  spec.rope_factors = family->rope_factors;
  read_scales(read, *family, spec);
  if (auto layers = read_layers(read, *family, names_of(tensors), spec); !layers) return fail(layers.error());

  const auto vocabulary = count_tokens(tensors);
  if (!vocabulary) return fail(vocabulary.error());
  spec.vocabulary = *vocabulary;
  return spec;
}

Result<Description> describe(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors) {
  auto spec = read_spec(metadata, tensors);
  if (!spec) return fail(spec.error());
  auto bindings = bind_gguf(*spec, names_of(tensors));
  if (auto known = check_tensors(*spec, bindings, tensors); !known) return fail(known.error());
  return Description{*std::move(spec), std::move(bindings)};
}

}  // namespace mlxr::models
