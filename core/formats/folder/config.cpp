#include "core/formats/folder/config.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/encoder_config.h"
#include "core/formats/folder/recurrent_config.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

using Defaults = std::span<const std::pair<std::string_view, double>>;

constexpr std::array<std::string_view, 2> kExactGelu = {"gelu", ""};
constexpr std::array<std::string_view, 2> kGelu = {"gelu_pytorch_tanh", ""};
constexpr std::array<std::string_view, 2> kOldGelu = {"gelu_pytorch_tanh", "gelu"};  // its first folders say "gelu" and mean the other

constexpr std::pair<std::string_view, double> kGemma3Defaults[] = {
    {"head_dim", 256},          {"max_position_embeddings", 131072},
    {"num_attention_heads", 8}, {"num_key_value_heads", 4},
    {"rms_norm_eps", 1e-6},     {"rope_theta", 1e6},
    {"sliding_window", 4096},   {"vocab_size", 262208},
};
constexpr std::pair<std::string_view, double> kCohereDefaults[] = {{"logit_scale", 0.0625}, {"layer_norm_eps", 1e-5}};

// Of Qwen's classes: what they do where config.json does not say it.
constexpr std::pair<std::string_view, double> kQwenMoeDefaults[] = {{"norm_topk_prob", 0}};

// Of LFM2's classes. mlx-lm makes the weights of experts add up to one only where config.json says so.
constexpr std::pair<std::string_view, double> kLfm2Defaults[] = {{"rope_theta", 1e6}, {"norm_eps", 1e-5}};

// Of Qwen3-Next and Qwen3.5, which rotate a quarter of each head.
constexpr std::pair<std::string_view, double> kQwen35Defaults[] = {{"head_dim", 256}, {"rms_norm_eps", 1e-6}};

constexpr ModelType with_delta_rule(std::string_view name, std::string_view architecture, bool tiled_heads) {
  return {.name = name,
          .architecture = architecture,
          .norms_plus_one = true,
          .post_attention_norm_is_own = true,
          .tiled_heads = tiled_heads,
          .recurrence = Recurrence::kDeltaRule,
          .recurrent_layer = "linear_attention",
          .rotated_share = 0.25,
          .defaults = kQwen35Defaults};
}

// RoBERTa's positions begin after the number of its padding token.
constexpr std::pair<std::string_view, double> kBertDefaults[] = {{"layer_norm_eps", 1e-12}},
                                              kRobertaDefaults[] = {{"layer_norm_eps", 1e-5}};

constexpr ModelType roberta(std::string_view name) {
  return {
      .name = name, .architecture = "bert", .encoder = true, .position_offset = 2, .activations = kExactGelu, .defaults = kRobertaDefaults};
}

constexpr ModelType kTypes[] = {
    {.name = "bert", .architecture = "bert", .encoder = true, .activations = kExactGelu, .defaults = kBertDefaults},
    roberta("roberta"),
    roberta("xlm-roberta"),
    {.name = "llama", .architecture = "llama", .pairs_together = true},
    {.name = "mistral", .architecture = "llama", .pairs_together = true},
    {.name = "mixtral", .architecture = "llama", .pairs_together = true},
    {.name = "ministral3", .architecture = "mistral3", .pairs_together = true},
    {.name = "smollm3", .architecture = "smollm3", .pairs_together = true},
    {.name = "granite", .architecture = "granite", .pairs_together = true},
    {.name = "granitemoe", .architecture = "granitemoe", .pairs_together = true},
    {.name = "internlm2", .architecture = "internlm2", .pairs_together = true},
    {.name = "qwen2", .architecture = "qwen2"},
    {.name = "qwen3", .architecture = "qwen3"},
    {.name = "qwen2_moe", .architecture = "qwen2moe", .defaults = kQwenMoeDefaults},
    {.name = "qwen3_moe", .architecture = "qwen3moe", .defaults = kQwenMoeDefaults},
    with_delta_rule("qwen3_next", "qwen3next", false),
    with_delta_rule("qwen3_5_text", "qwen35", true),
    with_delta_rule("qwen3_5_moe_text", "qwen35moe", true),
    {.name = "gpt_oss", .architecture = "gpt-oss", .post_attention_norm_is_own = true, .windows = true, .rounds_ramp = true},
    {.name = "phi3", .architecture = "phi3"},
    {.name = "glm4", .architecture = "glm4", .rotated_share = 0.5},
    {.name = "glm4_moe", .architecture = "glm4moe", .post_attention_norm_is_own = true, .rotated_share = 0.5},
    {.name = "gemma", .architecture = "gemma", .norms_plus_one = true, .activations = kOldGelu},
    {.name = "gemma2",
     .architecture = "gemma2",
     .norms_plus_one = true,
     .post_attention_norm_is_own = true,
     .windows = true,
     .activations = kGelu},
    {.name = "gemma3_text",
     .architecture = "gemma3",
     .norms_plus_one = true,
     .post_attention_norm_is_own = true,
     .windows = true,
     .activations = kGelu,
     .defaults = kGemma3Defaults},
    {.name = "olmo2", .architecture = "olmo2", .post_attention_norm_is_own = true},
    {.name = "olmo3", .architecture = "olmo2", .post_attention_norm_is_own = true, .windows = true},
    {.name = "exaone4", .architecture = "exaone4", .post_attention_norm_is_own = true, .windows = true},
    {.name = "lfm2", .architecture = "lfm2", .recurrence = Recurrence::kConvolution, .recurrent_layer = "conv", .defaults = kLfm2Defaults},
    {.name = "lfm2_moe",
     .architecture = "lfm2moe",
     .recurrence = Recurrence::kConvolution,
     .recurrent_layer = "conv",
     .defaults = kLfm2Defaults},
    {.name = "starcoder2", .architecture = "starcoder2", .activations = kGelu},
    {.name = "stablelm", .architecture = "stablelm", .rotated_share = 0.25},
    {.name = "cohere", .architecture = "command-r", .defaults = kCohereDefaults},
    {.name = "cohere2", .architecture = "cohere2", .windows = true, .defaults = kCohereDefaults},
};

// Models whose language model is described by `text_config`. The rest of them, which sees or hears, is left out.
constexpr std::string_view kWrappers[] = {"gemma3", "mistral3", "qwen3_5", "qwen3_5_moe"};

enum class Kind { kInteger, kNumber, kBoolean };
struct Key {
  std::string_view name, gguf;
  Kind kind = Kind::kInteger;
};
constexpr Key kKeys[] = {
    {"attention_multiplier", "attention.scale", Kind::kNumber},
    {"attn_logit_softcapping", "attn_logit_softcapping", Kind::kNumber},
    {"embedding_multiplier", "embedding_scale", Kind::kNumber},
    {"final_logit_softcapping", "final_logit_softcapping", Kind::kNumber},
    {"first_k_dense_replace", "leading_dense_block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"layer_norm_eps", "attention.layer_norm_epsilon", Kind::kNumber},
    {"logit_scale", "logit_scale", Kind::kNumber},
    {"logits_scaling", "logit_scale", Kind::kNumber},
    {"moe_intermediate_size", "expert_feed_forward_length"},
    {"n_routed_experts", "expert_count"},
    {"n_shared_experts", "expert_shared_count"},
    {"norm_epsilon", "attention.layer_norm_epsilon", Kind::kNumber},
    {"norm_eps", "attention.layer_norm_rms_epsilon", Kind::kNumber},
    {"norm_topk_prob", "expert_weights_norm", Kind::kBoolean},
    {"num_attention_heads", "attention.head_count"},
    {"num_dense_layers", "leading_dense_block_count"},
    {"num_experts", "expert_count"},
    {"num_experts_per_tok", "expert_used_count"},
    {"num_hidden_layers", "block_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"num_local_experts", "expert_count"},
    {"residual_multiplier", "residual_scale", Kind::kNumber},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", Kind::kNumber},
    {"routed_scaling_factor", "expert_weights_scale", Kind::kNumber},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
    {"use_parallel_residual", "use_parallel_residual", Kind::kBoolean},
    {"vocab_size", "vocab_size"},
};

// Features that MLXR has for none of the families, or that a family always has: the value of those that run.
struct Fixed {
  std::string_view name;
  std::variant<bool, double, std::string_view> value;
};
constexpr Fixed kFixed[] = {
    {"attn_output_gate", true},
    {"block_use_swiglu", true},
    {"conv_bias", false},
    {"decoder_sparse_step", 1.0},
    {"full_attn_mod", 1.0},
    {"interpolate_factor", 1.0},
    {"add_cross_attention", false},
    {"is_decoder", false},
    {"is_encoder_decoder", false},
    {"lm_head_bias", false},
    {"mlp_type", "default"},
    {"n_group", 1.0},
    {"no_rope_layer_interval", 4.0},
    {"norm_type", "layer_norm"},
    {"order_of_interleaved_layers", "local_attn_first"},
    {"rope_interleaved", false},
    {"scale_attn_weights", true},
    {"scoring_func", "sigmoid"},
    {"swiglu_limit", 7.0},
    {"topk_group", 1.0},
    {"topk_method", "noaux_tc"},
    {"use_bidirectional_attention", false},
    {"use_gated_activation", true},
    {"use_mrope", false},
    {"use_parallel_block", true},
    {"use_pos_enc", true},
    {"use_parallel_embedding", true},
};

// These change nothing in a forward pass, or say what the tensors show: notes of programs, settings of training, ids of tokens.
constexpr std::string_view kHarmless[] = {
    "_attn_implementation_autoset",
    "_name_or_path",
    "activation_function",  // of StarCoder2, beside hidden_act
    "architectures",
    "attention_bias",
    "attention_probs_dropout_prob",
    "attention_dropout",
    "attention_softmax_in_fp32",
    "attn_implementation",
    "auto_map",
    "bias",
    "block_dim",  // of LFM2, beside hidden_size; the others of its blocks and convolutions are of training
    "block_mlp_init_scale",
    "block_norm_eps",
    "block_out_init_scale",
    "block_use_xavier_init",
    "boi_token_index",
    "bos_token_id",
    "cache_implementation",
    "classifier_dropout",
    "conv_dim",
    "conv_dim_out",
    "conv_use_xavier_init",
    "dtype",
    "embd_pdrop",
    "embedding_dropout",
    "finetuning_task",
    "gradient_checkpointing",
    "eoi_token_index",
    "eos_token_id",
    "experts_per_token",  // of gpt-oss, beside num_experts_per_tok
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "image_token_index",
    "initial_context_length",  // of gpt-oss, beside what its RoPE scaling says
    "initializer_range",
    "is_llama_config",
    "label2id",
    "layer_norm_bias",
    "layer_norm_epsilon",  // of StarCoder2, beside norm_epsilon
    "layer_switch",        // of Cohere 2, beside its pattern
    "mamba_ssm_dtype",     // of Qwen3.5: states are float32 here
    "max_window_layers",   // of Qwen, where use_sliding_window is false
    "mlp_bias",
    "mm_tokens_per_image",
    "model_max_length",
    "model_type",
    "original_max_position_embeddings",  // of Phi-3 without RoPE scaling
    "num_heads",                         // of LFM2, beside num_attention_heads
    "mtp_num_hidden_layers",             // of Qwen3.5: layers that predict further tokens, which are left out
    "mtp_use_dedicated_embeddings",
    "output_past",
    "output_router_logits",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    "qk_layernorm",
    "resid_pdrop",
    "residual_dropout",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "scale_attention_softmax_in_fp32",
    "sentence_transformers",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_bias",
    "use_cache",
    "use_embedding_sharing",
    "use_expert_bias",
    "use_qk_norm",
    "use_qkv_bias",
};

bool equals(const Json& value, const Fixed& fixed) {
  if (const auto* truth = std::get_if<bool>(&fixed.value)) return value.boolean() == *truth;
  if (const auto* number = std::get_if<double>(&fixed.value)) return value.number() == *number;
  return value.text() && *value.text() == std::get<std::string_view>(fixed.value);
}

class Translator {
 public:
  Translator(const ModelType& type, ConfigReader& config, OwnedMetadata& metadata)
      : type_(type), config_(config), metadata_(metadata), prefix_(std::string(type.architecture) + ".") {}

  Result<ModelConfig> translate() {
    metadata_.add("general.architecture", type_.architecture);
    metadata_.add("general.type", std::string_view("model"));
    ModelConfig model{.type = &type_};
    model.scan = read_recurrence(type_, config_, prefix_, metadata_);
    model.scores = read_encoder(type_, config_, prefix_, metadata_);
    for (const auto& key : kKeys) translate(key);
    read_shape(model);
    check_activation();
    for (const auto& fixed : kFixed) check(fixed);
    if (!type_.encoder) check({"position_embedding_type", "rope_gptj"});
    read_experts(model);
    read_windows(model);
    check_layers_without_rope(model);
    auto factors = read_rope(config_, shape_of_rope(model), prefix_, metadata_);
    if (!factors) return fail(factors.error());
    model.rope_factors = *std::move(factors);
    if (auto known = config_.finish(kHarmless); !known) return fail(known.error());
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

  void translate(const Key& key) {
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

  void read_shape(ModelConfig& model) {
    const auto need = [&](std::string_view name) {
      const auto value = integer(name);
      if (!value || *value < 1) config_.note(ErrorCode::kCorrupt, name, value ? std::to_string(*value) : "missing");
      return value && *value >= 1 ? *value : 1;
    };
    const auto hidden = need("hidden_size");
    model.layers = need("num_hidden_layers");
    model.heads = need("num_attention_heads");
    model.kv_heads = integer("num_key_value_heads").value_or(model.heads);
    const auto said = integer("head_dim");
    model.head_dim = said.value_or(hidden / model.heads);
    if (model.head_dim < 1 || model.kv_heads < 1)
      config_.note(ErrorCode::kCorrupt, said ? "head_dim" : "num_attention_heads", "no number of a model");
    if (said) {
      add("attention.key_length", *said);
      add("attention.value_length", *said);
    }
    model.vocabulary = integer("vocab_size").value_or(0);
    model.tied = config_.boolean("tie_word_embeddings").value_or(false);
    // Command R was trained for more than its max_position_embeddings say.
    context_ = need("max_position_embeddings");
    if (type_.architecture == "command-r") context_ = integer("model_max_length").value_or(context_);
    context_ -= type_.position_offset;
    if (context_ < 1) config_.note(ErrorCode::kCorrupt, "max_position_embeddings", "no number of a model");
    add("context_length", std::max<std::int64_t>(context_, 1));
    // GGUF has no key for the scale of attention where it is that of the heads' width.
    const auto scalar = number("query_pre_attn_scalar");
    if (scalar && *scalar > 0 && *scalar != static_cast<double>(model.head_dim)) add("attention.scale", 1 / std::sqrt(*scalar));
  }

  void read_experts(ModelConfig& model) {
    const bool any = config_.find("num_local_experts") || config_.find("num_experts") || config_.find("n_routed_experts");
    const auto width = integer("intermediate_size");
    if (any && width && !config_.find("moe_intermediate_size")) add("expert_feed_forward_length", *width);
    if (const auto* dense = config_.find("mlp_only_layers"); dense && !(dense->items() && dense->items()->empty()))
      config_.note(ErrorCode::kUnsupported, "mlp_only_layers", "not empty");
    model.further_layers = integer("num_nextn_predict_layers").value_or(0);
  }

  RopeShape shape_of_rope(const ModelConfig& model) {
    return {model.head_dim, context_, type_.rotated_share, number("rope_theta").value_or(0), type_.rounds_ramp};
  }

  void check_activation() {
    const auto* newer = config_.text("hidden_activation");
    const auto* older = config_.text("hidden_act");
    const auto* name = newer ? newer : older;
    if (name && std::ranges::find(type_.activations, *name) == type_.activations.end())
      config_.note(ErrorCode::kUnsupported, newer ? "hidden_activation" : "hidden_act", printable(*name));
  }

  void check(const Fixed& fixed) {
    const auto* value = config_.find(fixed.name);
    if (value && !equals(*value, fixed)) config_.note(ErrorCode::kUnsupported, fixed.name, "of a kind that MLXR does not run");
  }

  // Which layers see a window of the text: one boolean for each layer, or a period.
  void read_windows(const ModelConfig& model) {
    const auto window = integer("sliding_window");
    const auto used = config_.boolean("use_sliding_window");
    if (used == true && !type_.windows) config_.note(ErrorCode::kUnsupported, "use_sliding_window", "true");
    auto local = read_layer_types(model);
    const bool any = std::ranges::find(local, true) != local.end();
    if (window && *window > 0 && used != false) add("attention.sliding_window", *window);
    if (type_.windows ? !local.empty() : any) add("attention.sliding_window_pattern", std::move(local));
    read_pattern(model);
  }

  std::vector<bool> read_layer_types(const ModelConfig& model) {
    std::vector<bool> local;
    const auto* types = config_.find("layer_types");
    if (!types) return local;
    if (!types->items() || std::cmp_not_equal(types->items()->size(), model.layers)) {
      config_.note(ErrorCode::kCorrupt, "layer_types", "not one string for each layer");
      return local;
    }
    for (const auto& item : *types->items()) {
      const std::string type = item.text() ? *item.text() : "";
      const bool recurrent = type_.recurrence != Recurrence::kNone && type == type_.recurrent_layer;
      if (!recurrent && type != "full_attention" && type != "sliding_attention")
        config_.note(ErrorCode::kUnsupported, "layer_types", printable(type) + " for some layers");
      local.push_back(type == "sliding_attention");
    }
    return local;
  }

  // An older way to say the same, which adds nothing where the list of layers is there: a period, or a pattern such as "LLLG".
  void read_pattern(const ModelConfig& model) {
    for (const std::string_view name : {"sliding_window_pattern", "_sliding_window_pattern"}) {
      const auto* pattern = config_.find(name);
      if (!pattern) continue;
      if (const auto period = pattern->integer()) {
        if (type_.windows) add("attention.sliding_window_pattern", *period);
      } else if (const auto* letters = pattern->text(); letters && !letters->empty() && letters->find_first_not_of("LG") == letters->npos) {
        std::vector<bool> local;
        for (std::int64_t i = 0; i < std::min<std::int64_t>(model.layers, kMaxPatternLayers); ++i)
          local.push_back((*letters)[static_cast<std::size_t>(i) % letters->size()] == 'L');
        add("attention.sliding_window_pattern", std::move(local));
      } else {
        config_.note(ErrorCode::kCorrupt, name, "no pattern");
      }
    }
  }

  // SmolLM 3: GGUF has no key for the layers that do not know positions, which are every fourth.
  void check_layers_without_rope(const ModelConfig& model) {
    const auto with = config_.numbers("no_rope_layers");
    if (with.empty()) return;
    bool regular = std::cmp_equal(with.size(), model.layers);
    for (std::size_t i = 0; i < with.size(); ++i) regular &= (with[i] != 0) == ((i + 1) % 4 != 0);
    if (!regular) config_.note(ErrorCode::kUnsupported, "no_rope_layers", "not every fourth layer");
  }

  static constexpr std::int64_t kMaxPatternLayers = 4096;

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

const ModelType* find_type(std::string_view name) {
  const auto* type = std::ranges::find(kTypes, name, &ModelType::name);
  return type == std::end(kTypes) ? nullptr : type;
}

}  // namespace

Result<ModelConfig> read_config(const Json& config, const std::string& file_name, OwnedMetadata& metadata) {
  const auto* name = config.find("model_type");
  if (!name || !name->text()) return damaged(file_name, "it does not say its model_type");
  const bool wrapped = std::ranges::find(kWrappers, *name->text()) != std::end(kWrappers);
  const auto* text = wrapped ? config.find("text_config") : &config;
  const auto* inner = text ? text->find("model_type") : nullptr;
  if (!inner || !inner->text()) return damaged(file_name, "its text_config does not say its model_type");
  const auto* type = find_type(*inner->text());
  if (!type) {
    return fail(ErrorCode::kUnsupported,
                "MLXR cannot run models of the type " + printable(*inner->text()) + " yet (model_type in " + file_name + ").");
  }
  ConfigReader reader(text, file_name, wrapped ? "text_config." : "");
  for (const auto key : {"quantization", "quantization_config"}) reader.find(key);
  auto model = Translator(*type, reader, metadata).translate();
  if (!model) return fail(std::move(model.error()));
  model->wrapped = wrapped;
  if (auto known = read_quantization(config, *text, *model); !known) return fail(known.error());
  model->text = text;
  if (const auto* tied = config.find("tie_word_embeddings"); tied && tied->boolean()) model->tied = *tied->boolean();
  return model;
}

}  // namespace mlxr::formats
