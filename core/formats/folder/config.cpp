#include "core/formats/folder/config.h"

#include <algorithm>
#include <cmath>

#include "core/formats/folder/config_keys.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/encoder_config.h"
#include "core/formats/folder/latent_config.h"
#include "core/formats/folder/layer_shapes_config.h"
#include "core/formats/folder/recurrent_config.h"
#include "core/formats/folder/streams_config.h"
#include "core/formats/folder/window_config.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::int64_t kMaxSize = 1 << 30, kMaxHeadDim = 1 << 16;  // so that products of two do not overflow

class Translator {
 public:
  Translator(const ModelType& type, ConfigReader& config, OwnedMetadata& metadata)
      : type_(type), config_(config), metadata_(metadata), prefix_(std::string(type.architecture) + ".") {}

  Result<ModelConfig> translate() {
    metadata_.add("general.architecture", type_.architecture);
    metadata_.add("general.type", std::string_view("model"));
    ModelConfig model{.type = &type_};
    // What a kind of layers has of its own comes first: the first value of a key stays.
    read_recurrence(config_, prefix_, metadata_, model);
    read_latent_attention(config_, prefix_, metadata_, model);
    read_layer_shapes(config_, prefix_, metadata_, model);
    read_streams(config_, prefix_, metadata_, model);
    model.scores = read_encoder(type_, config_, prefix_, metadata_);
    model.experts = count_experts();
    read_shared_width(model);
    for (const auto& key : config_keys()) translate(key, model);
    read_shape(model);
    check_activation();
    check_fixed_keys(config_, type_.encoder);
    read_experts(model);
    read_windows(type_, model.layers, config_, prefix_, metadata_);
    read_positions();
    auto factors = read_rope(config_, shape_of_rope(model), prefix_, metadata_);
    if (!factors) return fail(factors.error());
    model.rope_factors = *std::move(factors);
    if (auto known = config_.finish(harmless_config_keys()); !known) return fail(known.error());
    return model;
  }

 private:
  void add(std::string_view key, Value value) { metadata_.add(prefix_ + std::string(key), std::move(value)); }

  std::optional<double> number(std::string_view name) {
    const auto said = config_.number(name);
    return said ? said : otherwise(name);
  }
  std::optional<double> otherwise(std::string_view name) const {
    const auto found = std::ranges::find(type_.defaults, name, &std::pair<std::string_view, double>::first);
    return found == type_.defaults.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::int64_t> integer(std::string_view name) {
    const auto value = number(name);
    if (!value) return std::nullopt;
    if (*value != std::floor(*value) || std::fabs(*value) > 1e15) {
      config_.note(ErrorCode::kCorrupt, name, "not an integer");
      return std::nullopt;
    }
    return static_cast<std::int64_t>(*value);
  }

  void translate(const ConfigKey& key, const ModelConfig& model) {
    using Kind = ConfigKey::Kind;
    const bool of_experts = key.gguf.starts_with("expert_") || key.gguf == "leading_dense_block_count";
    if (of_experts && model.experts == 0) return static_cast<void>(config_.find(key.name));
    // Another key of this type is called so.
    using Names = std::pair<std::string_view, std::string_view>;
    if (std::ranges::find(type_.other_names, key.name, &Names::second) != type_.other_names.end()) return;
    if (const auto* value = config_.find(key.name); value && value->items() && key.kind == Kind::kInteger)
      return translate_list(key, *value->items());
    if (key.kind == Kind::kBoolean) {
      const auto default_value = otherwise(key.name);
      if (const auto said = config_.boolean(key.name)) {
        add(key.gguf, *said);
      } else if (default_value) {
        add(key.gguf, *default_value != 0);
      }
    } else if (key.kind == Kind::kNumber) {
      if (const auto value = number(key.name)) add(key.gguf, *value);
    } else if (const auto value = integer(key.name)) {
      add(key.gguf, *value);
    }
  }

  // A number for each layer.
  void translate_list(const ConfigKey& key, const Json::Items& items) {
    std::vector<std::int64_t> numbers;
    for (const auto& item : items) {
      if (!item.integer()) return config_.note(ErrorCode::kCorrupt, key.name, "not a list of integers");
      numbers.push_back(*item.integer());
    }
    add(key.gguf, std::move(numbers));
  }

  void read_shape(ModelConfig& model) {
    const auto need = [&](std::string_view name) {
      const auto value = integer(name);
      const bool good = value && *value >= 1 && *value <= kMaxSize;
      if (!good) config_.note(ErrorCode::kCorrupt, name, value ? std::to_string(*value) : "missing");
      return good ? *value : 1;
    };
    model.hidden = need("hidden_size");
    if (model.layers == 0) model.layers = need("num_hidden_layers");
    model.heads = need("num_attention_heads");
    model.kv_heads = integer("num_key_value_heads").value_or(model.heads);
    const auto newer = integer("head_dim"), older = integer("attention_head_dim");  // of Nemotron-H
    const auto said = newer ? newer : older;
    if (model.head_dim == 0) model.head_dim = said.value_or(model.hidden / model.heads);
    if (model.head_dim < 1 || model.head_dim > kMaxHeadDim || model.kv_heads < 1) {
      config_.note(ErrorCode::kCorrupt, said ? "head_dim" : "num_attention_heads", "no number of a model");
      model.head_dim = 1;  // what follows makes lists for its pairs
    }
    if (said) {
      add("attention.key_length", *said);
      add("attention.value_length", *said);
    }
    model.vocabulary = integer("vocab_size").value_or(0);
    model.tied = config_.boolean("tie_word_embeddings").value_or(false);
    // Command R was trained for more than its max_position_embeddings say.
    context_ = need("max_position_embeddings");
    if (type_.architecture == "command-r") context_ = integer("model_max_length").value_or(context_);
    // Nomic's RoPE may change behind the length that the model was trained for.
    const auto trained = config_.integer("max_trained_positions");
    if (trained) context_ = std::min(context_, *trained);
    if (config_.find("rotary_scaling_factor") && !trained) config_.note(ErrorCode::kUnsupported, "rotary_scaling_factor", "there");
    context_ -= type_.position_offset;
    if (context_ < 1) config_.note(ErrorCode::kCorrupt, "max_position_embeddings", "no number of a model");
    add("context_length", std::max<std::int64_t>(context_, 1));
    // GGUF has no key for the scale of attention where it is that of the heads' width.
    const auto scalar = number("query_pre_attn_scalar");
    if (scalar && *scalar > 0 && *scalar != static_cast<double>(model.head_dim)) add("attention.scale", 1 / std::sqrt(*scalar));
  }

  std::int64_t count_experts() {
    if (type_.architecture == "nemotron_h" || config_.boolean("enable_moe_block") == false) return 0;
    for (const auto name : {"num_local_experts", "num_experts", "n_routed_experts"}) {
      if (const auto count = config_.find(name) ? config_.integer(name) : std::nullopt) return std::max<std::int64_t>(*count, 0);
    }
    return 0;
  }

  // Granite 4: the width of the expert that all tokens take; where there are no others, of the only feed-forward part.
  void read_shared_width(const ModelConfig& model) {
    const auto width = integer("shared_intermediate_size");
    if (width) add(model.experts > 0 ? "expert_shared_feed_forward_length" : "feed_forward_length", *width);
  }

  void read_experts(ModelConfig& model) {
    model.further_layers = integer("num_nextn_predict_layers").value_or(0);
    if (const auto* dense = config_.find("mlp_only_layers"); dense && !(dense->items() && dense->items()->empty()))
      config_.note(ErrorCode::kUnsupported, "mlp_only_layers", "not empty");
    const auto* scoring = config_.text("scoring_func");
    if (model.experts == 0) return;
    const auto width = integer("intermediate_size");
    if (width && !config_.find("moe_intermediate_size")) add("expert_feed_forward_length", *width);
    constexpr std::int64_t kSoftmax = 1, kSigmoid = 2;
    if (scoring ? *scoring == "sigmoid" : type_.sigmoid_experts) {
      add("expert_gating_func", kSigmoid);
    } else if (scoring) {
      add("expert_gating_func", kSoftmax);
    }
  }

  // Granite 4: attention that does not know positions.
  void read_positions() {
    const auto* kind = config_.text("position_embedding_type");
    if (kind && (*kind == "absolute") != type_.encoder) config_.note(ErrorCode::kUnsupported, "position_embedding_type", printable(*kind));
    const bool unsaid = !kind && type_.name == "granitemoehybrid";
    if (!unsaid && (!kind || *kind != "nope")) return;
    if (!type_.architecture.starts_with("granite")) config_.note(ErrorCode::kUnsupported, "position_embedding_type", "nope");
    add("rope.scaling.finetuned", false);
  }

  RopeShape shape_of_rope(const ModelConfig& model) {
    return {model.head_dim, context_, type_.rotated_share, number("rope_theta").value_or(0), type_.rounds_ramp, type_.axes, type_.latent};
  }

  void check_activation() {
    const auto* newer = config_.text("hidden_activation");
    const auto* older = config_.text("hidden_act");
    const auto* name = newer ? newer : older;
    if (name && std::ranges::find(type_.activations, *name) == type_.activations.end())
      config_.note(ErrorCode::kUnsupported, newer ? "hidden_activation" : "hidden_act", printable(*name));
  }

  const ModelType& type_;
  ConfigReader& config_;
  OwnedMetadata& metadata_;
  std::string prefix_;
  std::int64_t context_ = 0;
};

// What mlx-lm writes, or the method of a converter: 8-bit floats, whose tensors show their scales.
Result<void> read_quantization(const Json& config, const Json& text, ModelConfig& model) {
  model.quantization = config.find("quantization");  // as mlx-lm writes it, beside the same as quantization_config
  const auto* other = config.find("quantization_config");
  if (!other) other = text.find("quantization_config");
  const auto* method = other ? other->find("quant_method") : nullptr;
  if (!method) {
    if (!model.quantization) model.quantization = other;
    return {};
  }
  const auto name = method->text() ? *method->text() : "";
  if (name == "mxfp4") return {};  // its tensors show it
  if (name != "fp8" && name != "compressed-tensors")
    return fail(ErrorCode::kUnsupported, "MLXR cannot run models with the quantization " + printable(name) +
                                             " yet. Use the model as it was before, or a GGUF file of it.");
  const auto* block = other->find("weight_block_size");
  if (block && block->items() && block->items()->size() == 2 && (*block->items())[0].integer() == (*block->items())[1].integer())
    model.fp8_block = (*block->items())[0].integer().value_or(0);
  return {};
}

}  // namespace

Result<ModelConfig> read_config(const Json& config, const std::string& file_name, OwnedMetadata& metadata) {
  const auto found = find_model_type(config, file_name);
  if (!found) return fail(found.error());
  ConfigReader reader(found->text, file_name, found->text == &config ? "" : "text_config.");
  reader.rename(found->type->other_names);
  for (const auto key : {"quantization", "quantization_config"}) reader.find(key);
  auto model = Translator(*found->type, reader, metadata).translate();
  if (!model) return fail(std::move(model.error()));
  model->wrapped = found->wrapped;
  model->text = found->text;
  if (auto known = read_quantization(config, *found->text, *model); !known) return fail(known.error());
  if (const auto* visual = config.find("vision_config"); visual && found->type->architecture.starts_with("qwen3vl")) {
    const auto* deep = visual->find("deepstack_visual_indexes");
    if (deep && deep->items())
      metadata.add(std::string(found->type->architecture) + ".n_deepstack_layers", std::int64_t(deep->items()->size()));
  }
  if (const auto* tied = config.find("tie_word_embeddings"); tied && tied->boolean()) model->tied = *tied->boolean();
  return model;
}

}  // namespace mlxr::formats
