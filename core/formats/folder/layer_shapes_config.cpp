#include "core/formats/folder/layer_shapes_config.h"

#include <utility>
#include <vector>

namespace mlxr::formats {

void read_layer_shapes(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model) {
  if (!model.type->layer_shapes) return;
  constexpr std::int64_t kMaxLayers = 4096, kMaxWidth = 1 << 14;
  const auto add = [&](std::string_view key, Value value) { metadata.add(prefix + std::string(key), std::move(value)); };
  const auto layers = config.count("num_hidden_layers", kMaxLayers);
  const auto* types = config.find("layer_types");
  if (!types || !types->items() || std::cmp_not_equal(types->items()->size(), layers)) {
    config.note(ErrorCode::kCorrupt, "layer_types", "not one string for each layer");
    return;
  }
  if (!config.find("rope_parameters")) config.note(ErrorCode::kCorrupt, "rope_parameters", "missing");

  // Layers that see the whole text have wider heads, and may have no matrices of values: those are what keys are before their norm.
  const auto local_dim = config.count("head_dim", kMaxWidth);
  const auto global_dim = config.find("global_head_dim") ? config.count("global_head_dim", kMaxWidth) : local_dim;
  model.head_dim = global_dim;
  for (const auto& [key, value] :
       {std::pair("key_length", global_dim), {"value_length", global_dim}, {"key_length_swa", local_dim}, {"value_length_swa", local_dim}})
    add("attention." + std::string(key), value);
  add("rope.dimension_count_swa", local_dim);
  const bool keys_are_values = config.boolean("attention_k_eq_v").value_or(false);
  const auto local_heads = config.integer("num_key_value_heads").value_or(1),
             wide_heads = config.integer("num_global_key_value_heads").value_or(local_heads);

  // The last layers read the keys and values of layers before them, and may be twice as wide.
  const auto shared = config.integer("num_kv_shared_layers").value_or(0);
  if (shared < 0 || shared >= layers) config.note(ErrorCode::kCorrupt, "num_kv_shared_layers", std::to_string(shared));
  add("attention.shared_kv_layers", shared);
  const auto width = config.count("intermediate_size");
  const bool wide = config.boolean("use_double_wide_mlp").value_or(false);
  std::vector<std::int64_t> heads, widths;
  for (const auto& type : *types->items()) {
    const bool global = type.text() && *type.text() == "full_attention", shares = std::cmp_greater_equal(heads.size(), layers - shared);
    heads.push_back(global && keys_are_values ? wide_heads : local_heads);
    widths.push_back(wide && shares ? 2 * width : width);
    model.own.push_back({.keys = !shares, .values = !shares && !(global && keys_are_values)});
  }
  add("attention.head_count_kv", std::move(heads));
  add("feed_forward_length", std::move(widths));

  const auto inputs = config.integer("hidden_size_per_layer_input").value_or(0);
  add("embedding_length_per_layer_input", inputs);
  const auto rows = config.integer("vocab_size_per_layer_input");
  if (inputs > 0 && rows && rows != config.integer("vocab_size"))
    config.note(ErrorCode::kUnsupported, "vocab_size_per_layer_input", "not vocab_size");
}

}  // namespace mlxr::formats
