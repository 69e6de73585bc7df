#include "core/models/keys.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "core/formats/printable.h"

namespace mlxr::models {
namespace {

// read_spec() reads these and acts on them.
constexpr std::string_view kRead[] = {
    "attention.causal",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "pooling_type",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_log_multiplier",
};

// The same for families with a sliding window.
constexpr std::string_view kReadForWindows[] = {
    "attention.key_length_swa", "attention.value_length_swa",       "rope.dimension_count_swa",
    "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa",
};

// The same for families with experts.
constexpr std::string_view kReadForExperts[] = {
    "expert_count",
    "expert_feed_forward_length",
    "expert_gating_func",
    "expert_group_count",
    "expert_group_used_count",
    "expert_shared_count",
    "expert_shared_feed_forward_length",
    "expert_used_count",
    "expert_weights_norm",
    "expert_weights_scale",
    "interleave_moe_layer_step",
    "leading_dense_block_count",
    "moe_every_n_layers",
};

// The same for families with recurrent layers.
constexpr std::string_view kReadForRecurrence[] = {
    "attention.recurrent_layers",
    "full_attention_interval",
    "shortconv.l_cache",
    "ssm.conv_kernel",
    "ssm.group_count",
    "ssm.inner_size",
    "ssm.state_size",
    "ssm.time_step_rank",
};

// These change nothing in a forward pass: notes of the converter.
constexpr std::string_view kHarmless[] = {
    "classifier.output_labels",
    "rope.scaling.finetuned",
    "tensor_data_layout",
    "vocab_size",
};

// Mistral 7B v0.1 and some Qwen2 files name a window. llama.cpp runs them without one, and so does MLXR.
constexpr std::string_view kIgnoredWithoutWindows = "attention.sliding_window";

// Features that only some families have, or none, and the value with which a file says that it does not use them. Booleans are 0 and 1.
struct Feature {
  std::string_view key;
  double off;
  std::string_view name;
};
constexpr Feature kFeatures[] = {
    {"attention.clamp_kqv", 0, "clamped queries, keys and values"},
    {"attention.max_alibi_bias", 0, "ALiBi"},
    {"attention.scale", 0, "a scale of attention"},
    {"attention.temperature_scale", 0, "a temperature of attention"},
    {"attn_logit_softcapping", 0, "attention soft-capping"},
    {"embedding_scale", 1, "scaled embeddings"},
    {"expert_count", 0, "a mixture of experts"},
    {"expert_group_count", 1, "groups of experts"},
    {"expert_group_used_count", 1, "groups of experts"},
    {"expert_used_count", 0, "a mixture of experts"},
    {"final_logit_softcapping", 0, "soft-capping of logits"},
    {"leading_dense_block_count", 0, "a mixture of experts"},
    {"logit_scale", 1, "scaled logits"},
    {"moe_every_n_layers", 0, "a mixture of experts"},
    {"nextn_predict_layers", 0, "layers that predict several tokens"},
    {"residual_scale", 1, "scaled residuals"},
    {"use_parallel_residual", 0, "parallel residuals"},
};

bool contains(std::span<const std::string_view> keys, std::string_view key) { return std::ranges::find(keys, key) != keys.end(); }

// The value of a key that is a number or a boolean.
std::optional<double> value_of(const formats::Metadata& metadata, std::string_view key) {
  if (const auto truth = metadata.boolean(key)) return *truth ? 1 : 0;
  return metadata.number(key);
}

Result<void> check_key(const formats::Metadata& metadata, const Family& family, std::string_view full_key, std::string_view key) {
  const bool windows = family.global_every > 1;
  if (contains(kRead, key) || contains(kHarmless, key)) return {};
  if (windows ? contains(kReadForWindows, key) : key == kIgnoredWithoutWindows) return {};
  if (contains(family.keys, key) || (family.experts && contains(kReadForExperts, key))) return {};
  if (family.recurrence != Recurrence::kNone && contains(kReadForRecurrence, key)) return {};
  const auto* feature = std::ranges::find(kFeatures, key, &Feature::key);
  if (feature == std::end(kFeatures)) {
    return fail(ErrorCode::kUnsupported, "MLXR does not know the key " + formats::printable(full_key) +
                                             ", which may change what the model computes, so it does not run the model.");
  }
  if (value_of(metadata, full_key) == feature->off) return {};
  return fail(ErrorCode::kUnsupported,
              "MLXR cannot run models with " + std::string(feature->name) + " yet (the key " + formats::harmless(full_key) + ").");
}

}  // namespace

Result<void> check_keys(const formats::Metadata& metadata, const Family& family) {
  const std::string prefix = std::string(family.name) + ".";
  for (auto it = metadata.all().lower_bound(prefix); it != metadata.all().end() && it->first.starts_with(prefix); ++it) {
    if (auto known = check_key(metadata, family, it->first, std::string_view(it->first).substr(prefix.size())); !known) return known;
  }
  return {};
}

}  // namespace mlxr::models
