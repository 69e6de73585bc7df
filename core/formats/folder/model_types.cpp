#include "core/formats/folder/model_types.h"

#include <algorithm>
#include <iterator>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::array<std::string_view, 2> kExactGelu = {"gelu", ""};
constexpr std::array<std::string_view, 2> kGelu = {"gelu_pytorch_tanh", ""};
constexpr std::array<std::string_view, 2> kOldGelu = {"gelu_pytorch_tanh", "gelu"};  // its first folders say "gelu" and mean the other

constexpr std::array<std::string_view, 2> kSquaredRelu = {"relu2", ""};

constexpr std::pair<std::string_view, double> kGemma3Defaults[] = {
    {"head_dim", 256},          {"max_position_embeddings", 131072},
    {"num_attention_heads", 8}, {"num_key_value_heads", 4},
    {"rms_norm_eps", 1e-6},     {"rope_theta", 1e6},
    {"sliding_window", 4096},   {"vocab_size", 262208},
};
constexpr std::pair<std::string_view, double> kCohereDefaults[] = {{"logit_scale", 0.0625}, {"layer_norm_eps", 1e-5}};

// Of Qwen's classes: what they do where config.json does not say it.
constexpr std::pair<std::string_view, double> kQwenMoeDefaults[] = {{"norm_topk_prob", 0}};

constexpr std::pair<std::string_view, double> kGemma3nDefaults[] = {{"altup_num_inputs", 4}, {"rms_norm_eps", 1e-6}, {"rope_theta", 1e6}};
constexpr std::pair<std::string_view, double> kGemma4Defaults[] = {
    {"num_attention_heads", 8}, {"num_key_value_heads", 1}, {"rms_norm_eps", 1e-6}};
constexpr std::pair<std::string_view, double> kDeepSeek2Defaults[] = {{"norm_topk_prob", 0}, {"rms_norm_eps", 1e-6}};
constexpr std::pair<std::string_view, double> kDeepSeek3Defaults[] = {{"norm_topk_prob", 1}, {"rms_norm_eps", 1e-6}};

// Of LFM2's classes. mlx-lm makes the weights of experts add up to one only where config.json says so.
constexpr std::pair<std::string_view, double> kLfm2Defaults[] = {{"rope_theta", 1e6}, {"norm_eps", 1e-5}};

// Of Qwen3-Next and Qwen3.5, which rotate a quarter of each head.
constexpr std::pair<std::string_view, double> kQwen35Defaults[] = {{"head_dim", 256}, {"rms_norm_eps", 1e-6}};

// Qwen3.5's heads are tiled, and its positions have axes.
constexpr ModelType with_delta_rule(std::string_view name, std::string_view architecture, bool newer) {
  return {.name = name,
          .architecture = architecture,
          .norms_plus_one = true,
          .post_attention_norm_is_own = true,
          .tiled_heads = newer,
          .axes = newer,
          .recurrence = Recurrence::kDeltaRule,
          .recurrent_layer = "linear_attention",
          .rotated_share = 0.25,
          .defaults = kQwen35Defaults};
}

constexpr ModelType with_layer_shapes(std::string_view name) {
  return {.name = name,
          .architecture = "gemma4",
          .post_attention_norm_is_own = true,
          .windows = true,
          .layer_shapes = true,
          .activations = kGelu,
          .defaults = kGemma4Defaults};
}

constexpr ModelType with_single_parts(std::string_view architecture) {
  return {.name = "nemotron_h",
          .architecture = architecture,
          .recurrence = Recurrence::kMamba2,
          .recurrent_layer = "linear_attention",
          .sigmoid_experts = true,
          .activations = kSquaredRelu};
}

// RoBERTa's positions begin after the number of its padding token.
constexpr std::pair<std::string_view, double> kBertDefaults[] = {{"layer_norm_eps", 1e-12}},
                                              kRobertaDefaults[] = {{"layer_norm_eps", 1e-5}};

constexpr ModelType roberta(std::string_view name) {
  return {
      .name = name, .architecture = "bert", .encoder = true, .position_offset = 2, .activations = kExactGelu, .defaults = kRobertaDefaults};
}

constexpr std::pair<std::string_view, double> kModernBertDefaults[] = {{"layer_norm_eps", 1e-5}, {"rope_theta", 160000}};
constexpr std::pair<std::string_view, std::string_view> kNamesOfModernBert[] = {{"layer_norm_eps", "norm_eps"},
                                                                                {"rope_local_base_freq", "local_rope_theta"},
                                                                                {"rope_theta", "global_rope_theta"},
                                                                                {"sliding_window", "local_attention"},
                                                                                {"sliding_window_pattern", "global_attn_every_n_layers"}};

// Nomic's first folders have the keys of GPT-2. transformers writes those of BERT.
constexpr std::array<std::string_view, 2> kSwiglu = {"swiglu", "silu"};
constexpr std::pair<std::string_view, double> kNomicDefaults[] = {{"layer_norm_eps", 1e-12}};
constexpr std::pair<std::string_view, std::string_view> kNamesOfNomic[] = {
    {"hidden_act", "activation_function"},      {"hidden_size", "n_embd"},
    {"intermediate_size", "n_inner"},           {"layer_norm_eps", "layer_norm_epsilon"},
    {"max_position_embeddings", "n_positions"}, {"num_attention_heads", "n_head"},
    {"num_hidden_layers", "n_layer"},           {"rope_theta", "rotary_emb_base"}};

constexpr ModelType kTypes[] = {
    {.name = "bert", .architecture = "bert", .encoder = true, .activations = kExactGelu, .defaults = kBertDefaults},
    roberta("roberta"),
    roberta("xlm-roberta"),
    {.name = "modernbert",
     .architecture = "modern-bert",
     .windows = true,
     .encoder = true,
     .activations = kExactGelu,
     .defaults = kModernBertDefaults,
     .other_names = kNamesOfModernBert},
    {.name = "nomic_bert",
     .architecture = "nomic-bert",
     .encoder = true,
     .activations = kSwiglu,
     .defaults = kNomicDefaults,
     .other_names = kNamesOfNomic},
    {.name = "eurobert", .architecture = "eurobert", .encoder = true},
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
    {.name = "qwen2_vl", .architecture = "qwen2vl", .axes = true},
    {.name = "qwen2_vl_text", .architecture = "qwen2vl", .axes = true},
    {.name = "qwen2_5_vl", .architecture = "qwen2vl", .axes = true},
    {.name = "qwen2_5_vl_text", .architecture = "qwen2vl", .axes = true},
    {.name = "qwen3_vl_text", .architecture = "qwen3vl", .axes = true},
    {.name = "qwen3_vl_moe_text", .architecture = "qwen3vlmoe", .axes = true, .turned_experts = true},
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
    {.name = "gemma3n_text",
     .architecture = "gemma3n",
     .post_attention_norm_is_own = true,
     .windows = true,
     .streams = true,
     .activations = kGelu,
     .defaults = kGemma3nDefaults},
    with_layer_shapes("gemma4_text"),
    with_layer_shapes("gemma4_unified_text"),
    {.name = "deepseek_v2", .architecture = "deepseek2", .latent = true, .defaults = kDeepSeek2Defaults},
    {.name = "deepseek_v3", .architecture = "deepseek2", .latent = true, .sigmoid_experts = true, .defaults = kDeepSeek3Defaults},
    {.name = "glm4_moe_lite", .architecture = "deepseek2", .latent = true, .sigmoid_experts = true, .defaults = kDeepSeek3Defaults},
    {.name = "granitemoehybrid",
     .architecture = "granitehybrid",
     .pairs_together = true,
     .recurrence = Recurrence::kMamba2,
     .recurrent_layer = "mamba"},
    with_single_parts("nemotron_h"),
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

// Of the types above, those whose GGUF file is of another architecture where the model has no recurrent layers, where it has experts, or
// where it sees a text in both directions.
constexpr ModelType kGraniteOfAttention = {.name = "granitemoehybrid", .architecture = "granite", .pairs_together = true};
constexpr ModelType kNemotronOfExperts = with_single_parts("nemotron_h_moe");
constexpr ModelType kTwoSidedGemma3 = {.name = "gemma3_text",
                                       .architecture = "gemma-embedding",
                                       .norms_plus_one = true,
                                       .post_attention_norm_is_own = true,
                                       .windows = true,
                                       .encoder = true,
                                       .activations = kGelu,
                                       .defaults = kGemma3Defaults};

// Models whose language model is described by `text_config`. The rest of them, which sees or hears, is left out.
constexpr std::string_view kWrappers[] = {"gemma3",     "gemma3n",  "gemma4",       "gemma4_unified", "mistral3",   "qwen2_vl",
                                          "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5",        "qwen3_5_moe"};
// Of these, those that described it in config.json itself once.
constexpr std::string_view kOnceFlat[] = {"qwen2_vl", "qwen2_5_vl"};

const ModelType* find_type(std::string_view name) {
  const auto* type = std::ranges::find(kTypes, name, &ModelType::name);
  return type == std::end(kTypes) ? nullptr : type;
}

// True if some layers are of this kind: `list` is one string for each layer, or one with a letter for each.
bool has_layer(const Json& text, std::string_view list, std::string_view kind) {
  const auto* layers = text.find(list);
  if (!layers) return false;
  if (layers->text()) return layers->text()->contains(kind);
  return layers->items() && std::ranges::any_of(*layers->items(), [&](const Json& item) { return item.text() && *item.text() == kind; });
}

const ModelType* choose_architecture(const ModelType* type, const Json& text) {
  if (type->name == kGraniteOfAttention.name) {
    const auto* experts = text.find("num_local_experts");
    const bool dense = !experts || experts->integer() == 0;
    return dense && text.find("layer_types") && !has_layer(text, "layer_types", type->recurrent_layer) ? &kGraniteOfAttention : type;
  }
  if (type->name == kNemotronOfExperts.name) {
    const bool experts = has_layer(text, "hybrid_override_pattern", "E") || has_layer(text, "layers_block_type", "moe") ||
                         has_layer(text, "layer_types", "moe");
    return experts ? &kNemotronOfExperts : type;
  }
  if (type->name == kTwoSidedGemma3.name) {
    const auto* two_sided = text.find("use_bidirectional_attention");
    return two_sided && two_sided->boolean() == true ? &kTwoSidedGemma3 : type;
  }
  return type;
}

}  // namespace

Result<DescribedModel> find_model_type(const Json& config, const std::string& file_name) {
  const auto* name = config.find("model_type");
  if (!name || !name->text()) return damaged(file_name, "it does not say its model_type");
  const auto is_one_of = [&](std::span<const std::string_view> names) { return std::ranges::find(names, *name->text()) != names.end(); };
  DescribedModel found{.text = &config, .wrapped = is_one_of(kWrappers)};
  const auto* part = config.find("text_config");
  auto type = *name->text();
  if (found.wrapped && (part || !is_one_of(kOnceFlat))) {
    found.text = part;
    const auto* own = part ? part->find("model_type") : nullptr;
    if (own && own->text()) {
      type = *own->text();
    } else if (type += "_text"; !part || !find_type(type)) {
      return damaged(file_name, "its text_config does not say its model_type");
    }
  }
  found.type = find_type(type);
  if (!found.type)
    return fail(ErrorCode::kUnsupported,
                "MLXR cannot run models of the type " + printable(type) + " yet (model_type in " + file_name + ").");
  found.type = choose_architecture(found.type, *found.text);
  return found;
}

}  // namespace mlxr::formats
