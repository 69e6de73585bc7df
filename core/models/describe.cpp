#include "core/models/describe.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/formats/printable.h"
#include "core/models/attention_layers.h"
#include "core/models/embedder.h"
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

Result<void> check_heads(const Attention& a) {
  if (a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0) return {};
  return fail(ErrorCode::kUnsupported,
              "MLXR cannot run this shape: " + std::to_string(a.heads) + " heads and " + std::to_string(a.kv_heads) + " KV heads.");
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
  const int shared = read.integer("expert_shared_count", family.experts->shared_count, 0, 64) * experts.hidden;
  experts.shared_hidden = read.integer("expert_shared_feed_forward_length", family.experts->shared_router ? hidden : shared, 0, 1 << 20);
  experts.shared_router = family.experts->shared_router;
  experts.weighs_input = family.experts->weighs_input;
  if (experts.weighs_input && routing.used != 1) read.note(ErrorCode::kUnsupported, "expert_used_count", std::to_string(routing.used));
  return experts;
}

// Gives a layer its feed-forward part. `has` tells whether the layer has a tensor.
void set_feed_forward(LayerSpec& layer, const Family& family, int hidden, double cutoff, std::optional<Xielu> xielu, Experts* experts,
                      const std::function<bool(std::string_view)>& has) {
  if (family.single_parts && hidden == 0) {
    layer.feed_forward = Absent();
  } else if (experts && family.experts_beside_mlp && has("ffn_gate_inp.weight")) {
    layer.feed_forward = MlpAndExperts{{hidden, family.activation}, *experts};
  } else if (experts && !family.experts_beside_mlp) {
    experts->selection_bias = has("exp_probs_b.bias");
    layer.feed_forward = *experts;
  } else if (family.plain_mlp) {
    layer.feed_forward = PlainMlp{hidden, family.activation, xielu};
  } else {
    GatedMlp mlp{hidden, family.activation};
    if (std::isfinite(cutoff)) mlp.cutoff = static_cast<float>(cutoff);
    layer.feed_forward = mlp;
  }
}

// The parameters of each layer; nothing for each in other families. Their keys do not begin with the architecture. In the file, two of them
// are what a softplus becomes.
std::vector<std::optional<Xielu>> read_xielus(const formats::Metadata& metadata, const Family& family, int layers, KeyReader& errors) {
  std::vector<std::optional<Xielu>> all(static_cast<std::size_t>(layers));
  if (!family.xielu) return all;
  KeyReader read(metadata, "xielu");
  const auto values = [&](std::string_view key) { return read.numbers(key, layers, {}, -1e6, 1e6); };
  const auto softplus = [](double x) { return x > 20 ? x : std::log1p(std::exp(x)); };
  const auto falls = values("alpha_n"), rises = values("alpha_p"), slopes = values("beta"), ends = values("eps");
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = Xielu{.rise = static_cast<float>(softplus(rises[i])),
                   .fall = static_cast<float>(slopes[i] + softplus(falls[i])),
                   .slope = static_cast<float>(slopes[i]),
                   .end = static_cast<float>(ends[i])};
  }
  if (read.problem()) errors.note(*read.problem());
  return all;
}

void read_streams(KeyReader& read, ModelSpec& spec) {
  spec.streams = read.integer("altup.num_inputs", 1, 1, 64);
  const int active = read.integer("altup.active_idx", 0, 0, spec.streams - 1);
  if (active != 0) read.note(ErrorCode::kUnsupported, "altup.active_idx", std::to_string(active));
}

Result<void> read_layers(KeyReader& read, const formats::Metadata& metadata, const Family& family, const TensorNames& tensors, int blocks,
                         int bypass, ModelSpec& spec) {
  // Some files end with layers that predict tokens further ahead; they are not part of the model.
  const int further = read.integer("nextn_predict_layers", 0, 0, 64);
  const int layers = blocks - further;
  if (layers < 1) read.note(ErrorCode::kCorrupt, "nextn_predict_layers", std::to_string(further));
  if (read.problem()) return fail(*read.problem());
  spec.further_layers = further;
  const int least = family.recurrence == Recurrence::kNone ? 1 : 0;
  const auto heads = read.integers("attention.head_count", layers, {}, least, 4096);
  const auto kv_heads = read.find("attention.head_count_kv") ? read.integers("attention.head_count_kv", layers, {}, least, 4096) : heads;
  const auto recurrent = read_recurrent_layers(read, family, kv_heads);
  const auto hidden = read.integers("feed_forward_length", layers, {}, family.single_parts ? 0 : 1, 1 << 20);
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const auto cutoffs = read.numbers("activation_sparsity_scale", layers, kNone, kNone, 100);
  const auto xielus = read_xielus(metadata, family, layers, read);
  spec.layer_inputs = read.integer("embedding_length_per_layer_input", 0, 0, 1 << 16);
  const auto attention = read_attention_layers(read, family, tensors, heads, kv_heads, spec);
  const auto recurrent_mixer = family.attention_beside || std::ranges::find(recurrent, true) != recurrent.end()
                                   ? read_recurrent_mixer(read, family, tensors)
                                   : Mixer();
  const auto latent = family.latent ? read_latent_attention(read, tensors, heads[0], spec.ropes[0]) : LatentAttention();
  LayerSpec layer{
      .norms_before = family.norms_before, .norms_after = family.norms_after, .bypass = bypass, .norms_sums = family.norms_sums};
  layer.parallel = family.parallel || read.boolean("use_parallel_residual", false);
  const int dense = read.integer("leading_dense_block_count", 0, 0, layers);
  auto experts = read_experts(read, family, hidden[0]);
  // 0: no layer has experts. The second key is Nomic's, which counts from another layer where it is more than 2.
  const int every = family.experts ? read.integer("interleave_moe_layer_step", read.integer("moe_every_n_layers", 1, 0, 2), 0, 1024) : 1;
  if (read.problem()) return fail(*read.problem());
  const auto is_mixture = [&](std::size_t i) {
    if (family.experts_beside_mlp) return true;
    return std::cmp_greater_equal(i, dense) && every > 0 && (i + 1) % static_cast<std::size_t>(every) == 0;
  };
  for (std::size_t i = 0; i < static_cast<std::size_t>(layers); ++i) {
    const auto has = [&](std::string_view name) { return tensors.contains("blk." + std::to_string(i) + "." + std::string(name)); };
    layer.scaled = has("layer_output_scale.weight");
    if (family.single_parts && hidden[i] > 0) {
      layer.mixer = Absent();
    } else if (recurrent[i]) {
      layer.mixer = recurrent_mixer;
    } else if (family.latent) {
      layer.mixer = latent;
    } else if (auto ok = check_heads(attention[i]); !ok) {
      return ok;
    } else {
      layer.mixer = attention[i];
    }
    if (family.attention_beside) {
      auto& attention_alone = spec.layers.emplace_back(layer);
      attention_alone.feed_forward = Absent();
      layer.mixer = recurrent_mixer;
      layer.beside = true;
    }
    set_feed_forward(layer, family, hidden[i], cutoffs[i], xielus[i], experts && is_mixture(i) ? &*experts : nullptr, has);
    spec.layers.push_back(layer);
    layer.beside = false;
  }
  return {};
}

// Scales of the whole model. A scale of what each layer adds to the residual stream is the same as the stream divided by it: norms do not
// see that, if their eps is divided too. MiniCPM's are in its report (2024), and not in all of its files.
void read_scales(KeyReader& read, const Family& family, int blocks, ModelSpec& spec) {
  const auto by_size = [&](double scale) { return family.scaled_by_size ? scale : 1; };
  const double residual = read.number("residual_scale", by_size(1.4 / std::sqrt(blocks)), 1e-6, 1e6);
  const double logits = read.number("logit_scale", by_size(spec.dim / 256.0), 1e-6, 1e6);
  double embeddings = read.number("embedding_scale", by_size(12), 1e-6, 1e6);
  if (family.scale_embeddings) embeddings *= std::sqrt(static_cast<double>(spec.dim));
  spec.inner_eps = spec.norm_eps;
  spec.embed_scale = static_cast<float>(embeddings / residual);
  spec.norm_eps = static_cast<float>(spec.norm_eps / (residual * residual));
  spec.logit_scale = static_cast<float>(family.divide_logits ? 1 / logits : logits);
  spec.logit_softcap = static_cast<float>(read.number("final_logit_softcapping", family.default_logit_softcap, 0, 1e6));
}

// Tables beside the embeddings, and what becomes of a whole text.
void read_encoder(KeyReader& read, const Family& family, std::span<const formats::Tensor> tensors, ModelSpec& spec) {
  spec.embedding_norm = family.embedding_norm;
  spec.final_norm = family.final_norm;
  spec.positions = family.positions ? spec.context : 0;
  spec.token_types = rows_of(tensors, "token_types.weight");
  spec.embedder = read_embedder(read, family, tensors, spec.dim, spec.two_sided);
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
  const int blocks = read.integer("block_count", {}, 1, 1024);
  spec.context = read_context(read);
  // Within the first piece, local layers see all tokens, as the others do; its last token is where attention gets a temperature.
  if (family->chunk > 0) spec.context = std::min(spec.context, family->chunk - 1);
  spec.original_context = original_context(read);
  spec.norm = family->norm;
  const auto eps = spec.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  spec.norm_eps = static_cast<float>(read.number(eps, {}, 0, 1));
  spec.rope_factors = family->rope_factors;
  spec.two_sided = !read.boolean("attention.causal", !family->two_sided);
  read_scales(read, *family, blocks, spec);
  read_encoder(read, *family, tensors, spec);
  read_streams(read, spec);
  const int bypass = rows_of(tensors, "blk.0.laurel_l.weight");
  if (auto layers = read_layers(read, metadata, *family, names_of(tensors), blocks, bypass, spec); !layers) return fail(layers.error());

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
