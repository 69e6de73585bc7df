#include "core/formats/folder/latent_config.h"

namespace mlxr::formats {

void read_latent_attention(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model) {
  if (!model.type->latent) return;
  constexpr std::int64_t kMaxWidth = 1 << 14;
  const auto latent = config.count("kv_lora_rank", kMaxWidth), rotated = config.count("qk_rope_head_dim", kMaxWidth);
  model.latent = {.key_dim = config.count("qk_nope_head_dim", kMaxWidth), .value_dim = config.count("v_head_dim", kMaxWidth)};
  model.head_dim = rotated;  // of what is rotated
  const auto width = model.latent.key_dim + rotated;
  const auto add = [&](std::string_view key, std::int64_t value) { metadata.add(prefix + "attention." + std::string(key), value); };
  // As GGUF has it, where a head's products are absorbed into its query and its output: one head of keys and values, the row itself.
  add("head_count_kv", 1);
  add("key_length", latent + rotated);
  add("value_length", latent);
  add("key_length_mla", width);
  add("value_length_mla", model.latent.value_dim);
  add("kv_lora_rank", latent);
  if (config.find("q_lora_rank")) add("q_lora_rank", config.count("q_lora_rank", 1 << 16));
  if (const auto said = config.integer("qk_head_dim"); said && *said != width)
    config.note(ErrorCode::kCorrupt, "qk_head_dim", "not qk_nope_head_dim and qk_rope_head_dim together");
  // Its classes do not agree on what they do then.
  if (model.type->name == "deepseek_v2" && config.boolean("norm_topk_prob") == true)
    config.note(ErrorCode::kUnsupported, "norm_topk_prob", "true");
}

}  // namespace mlxr::formats
