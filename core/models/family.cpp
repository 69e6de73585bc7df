#include "core/models/family.h"

#include <algorithm>
#include <iterator>

namespace mlxr::models {
namespace {

using ops::Activation;

// BERT's kin normalise embeddings and sums, and nothing else.
constexpr Family of_bert(Family family) {
  family.norm = NormKind::kLayer;
  family.norms_before = false;
  family.norms_sums = true;
  family.embedding_norm = true;
  family.final_norm = false;
  family.two_sided = true;
  return family;
}

// Gemma 3's kin have local layers with a RoPE of their own.
constexpr Family of_gemma3(Family family) {
  family.norms_after = true;
  family.activation = Activation::kGeluTanh;
  family.scale_embeddings = true;
  family.qk_norm = QkNorm::kHead;
  family.local_rope_unscaled = true;
  family.local_rope_base = 10000;
  return family;
}

constexpr Family kFamilies[] = {
    // Llama (2023) and all that share its shape: Mistral, SmolLM2, Llama 3.
    // Mixtral (2024) is the same with experts.
    {.name = "llama", .experts = ExpertDefaults{}, .rope_interleaved = true, .rope_factors = true},
    // Llama 4 model card (2025): three layers that see pieces of the text for each one without positions, one expert for each token.
    {.name = "llama4",
     .qk_norm = QkNorm::kUnit,
     .experts_without_qk_norm = 128,
     .norms_rotated = true,
     .experts = ExpertDefaults{.sigmoid = true, .normalised = false, .shared_count = 1, .weighs_input = true},
     .rope_interleaved = true,
     .rope_factors = true,
     .no_rope = NoRope::kEveryFourth,
     .chunk = 8192},
    // Ministral 3 model card (2025): Llama, with a temperature of attention that grows with the position.
    {.name = "mistral3", .rope_interleaved = true, .keys = {"attention.temperature_scale"}},
    // InternLM2 report (2024)
    {.name = "internlm2", .rope_interleaved = true},
    // SmolLM3 model card (2025): every fourth layer does not know positions.
    {.name = "smollm3", .rope_interleaved = true, .rope_factors = true, .no_rope = NoRope::kEveryFourth},
    // Granite 3.0 report (2024): Llama, scaled by constants at four places.
    {.name = "granite",
     .divide_logits = true,
     .rope_interleaved = true,
     .rope_factors = true,
     .no_rope = NoRope::kWhereTheFileSaysSo,
     .keys = {"attention.scale", "embedding_scale", "logit_scale", "residual_scale"}},

    {.name = "granitemoe",
     .divide_logits = true,
     .experts = ExpertDefaults{},
     .rope_interleaved = true,
     .rope_factors = true,
     .no_rope = NoRope::kWhereTheFileSaysSo,
     .keys = {"attention.scale", "embedding_scale", "logit_scale", "residual_scale"}},

    // Arcee AFM model card (2025)
    {.name = "arcee", .plain_mlp = true, .activation = Activation::kSquaredRelu, .rope_interleaved = true, .rope_factors = true},
    // Trinity model card (2025): gated attention, windows, norms before and after.
    {.name = "afmoe",
     .norms_after = true,
     .scale_embeddings = true,
     .qk_norm = QkNorm::kHead,
     .gated_attention = true,
     .experts = ExpertDefaults{.sigmoid = true, .normalised = false},
     .no_rope = NoRope::kWhereWindowsAreAbsent,
     .global_every = 4},
    // Apertus report (2025)
    {.name = "apertus", .plain_mlp = true, .xielu = true, .qk_norm = QkNorm::kHead, .rope_factors = true},
    // ERNIE 4.5 report (2025)
    {.name = "ernie4_5", .rope_interleaved = true},
    {.name = "ernie4_5-moe", .experts = ExpertDefaults{}, .rope_interleaved = true},
    // Seed-OSS model card (2025)
    {.name = "seed_oss"},
    // EXAONE 3.5 report (2024)
    {.name = "exaone", .rope_factors = true},
    // MiniCPM report (2024), and MiniCPM3, which has latent attention.
    {.name = "minicpm",
     .divide_logits = true,
     .scaled_by_size = true,
     .rope_interleaved = true,
     .rope_factors = true,
     .keys = {"attention.scale", "embedding_scale", "logit_scale", "residual_scale"}},
    {.name = "minicpm3",
     .divide_logits = true,
     .scaled_by_size = true,
     .latent = true,
     .rope_factors = true,
     .keys = {"attention.kv_lora_rank", "attention.q_lora_rank", "embedding_scale", "logit_scale", "residual_scale"}},
    // Hunyuan model cards (2025): heads are normalised after they are rotated.
    {.name = "hunyuan-dense", .qk_norm = QkNorm::kHead, .norms_rotated = true},
    {.name = "hunyuan-moe", .qk_norm = QkNorm::kHead, .norms_rotated = true, .experts = ExpertDefaults{}},
    // OLMoE report (2024)
    {.name = "olmoe", .qk_norm = QkNorm::kWhole, .experts = ExpertDefaults{.normalised = false}},
    // MiniMax-M2 model card (2025)
    {.name = "minimax-m2", .qk_norm = QkNorm::kWhole, .experts = ExpertDefaults{.sigmoid = true}},
    // dots.llm1 report (2025)
    {.name = "dots1", .qk_norm = QkNorm::kHead, .experts = ExpertDefaults{.normalised = false}},
    // Ling 2.0 report (2025)
    {.name = "bailingmoe2",
     .qk_norm = QkNorm::kHead,
     .experts = ExpertDefaults{.sigmoid = true, .normalised = false},
     .keys = {"nextn_predict_layers"}},
    // DeepSeekMoE report (2024)
    {.name = "deepseek", .experts = ExpertDefaults{.normalised = false}, .rope_interleaved = true, .rope_factors = true},

    // Qwen2 report (2024); its biases are in the file.
    {.name = "qwen2"},
    {.name = "qwen2moe", .experts = ExpertDefaults{.normalised = false, .shared_router = true}},
    // Qwen3 report (2025)
    {.name = "qwen3", .qk_norm = QkNorm::kHead, .label_probabilities = true},
    {.name = "qwen3moe", .qk_norm = QkNorm::kHead, .experts = ExpertDefaults{}},
    // The text of Qwen2-VL, Qwen2.5-VL and Qwen3-VL (reports of 2024 and 2025): along the axes of a text, all positions are the same.
    {.name = "qwen2vl", .keys = {"rope.dimension_sections"}},
    {.name = "qwen3vl", .qk_norm = QkNorm::kHead, .keys = {"rope.dimension_sections", "n_deepstack_layers"}},
    {.name = "qwen3vlmoe",
     .qk_norm = QkNorm::kHead,
     .experts = ExpertDefaults{},
     .keys = {"rope.dimension_sections", "n_deepstack_layers"}},
    // Qwen3-Next and Qwen3.5 model cards (2025, 2026): three layers by the gated delta rule for each with attention, which is gated.
    {.name = "qwen3next",
     .qk_norm = QkNorm::kHead,
     .gated_attention = true,
     .experts = ExpertDefaults{.shared_router = true},
     .recurrence = Recurrence::kDeltaRule,
     .attention_every = 4},
    {.name = "qwen35",
     .qk_norm = QkNorm::kHead,
     .gated_attention = true,
     .recurrence = Recurrence::kDeltaRule,
     .attention_every = 4,
     .tiled_heads = true,
     .keys = {"nextn_predict_layers", "rope.dimension_sections"}},
    {.name = "qwen35moe",
     .qk_norm = QkNorm::kHead,
     .gated_attention = true,
     .experts = ExpertDefaults{.shared_router = true},
     .recurrence = Recurrence::kDeltaRule,
     .attention_every = 4,
     .tiled_heads = true,
     .keys = {"nextn_predict_layers", "rope.dimension_sections"}},

    // LFM2 report (2025): short convolutions, and attention in some layers.
    {.name = "lfm2", .qk_norm = QkNorm::kHead, .recurrence = Recurrence::kShortConvolution},
    {.name = "lfm2moe", .qk_norm = QkNorm::kHead, .experts = ExpertDefaults{.sigmoid = true}, .recurrence = Recurrence::kShortConvolution},
    // Granite 4.0 model card (2025): Mamba 2, and attention in some layers.
    {.name = "granitehybrid",
     .divide_logits = true,
     .experts = ExpertDefaults{},
     .recurrence = Recurrence::kMamba2,
     .rope_interleaved = true,
     .no_rope = NoRope::kWhereTheFileSaysSo,
     .keys = {"attention.scale", "embedding_scale", "logit_scale", "residual_scale"}},

    // Falcon-H1 report (2025): attention and Mamba 2 side by side.
    {.name = "falcon-h1", .recurrence = Recurrence::kMamba2, .attention_beside = true, .keys = {"attention.scale"}},

    // Nemotron-H report (2025): Mamba 2, attention without positions, or a plain feed-forward part in each layer.
    {.name = "nemotron_h",
     .plain_mlp = true,
     .activation = Activation::kSquaredRelu,
     .single_parts = true,
     .recurrence = Recurrence::kMamba2,
     .no_rope = NoRope::kAlways},

    {.name = "nemotron_h_moe",
     .plain_mlp = true,
     .activation = Activation::kSquaredRelu,
     .single_parts = true,
     .experts = ExpertDefaults{.sigmoid = true},
     .recurrence = Recurrence::kMamba2,
     .no_rope = NoRope::kAlways},

    // DeepSeek-V2 and V3 reports (2024)
    {.name = "deepseek2",
     .latent = true,
     .experts = ExpertDefaults{.normalised = false},
     .rope_interleaved = true,
     .keys = {"attention.kv_lora_rank", "attention.q_lora_rank", "attention.key_length_mla", "attention.value_length_mla"}},

    // gpt-oss model card (2025): local and global layers in turns, sinks, a clamped activation.
    {.name = "gpt-oss", .activation = Activation::kClampedSwiglu, .sinks = true, .experts = ExpertDefaults{}, .global_every = 2},
    // Phi-3 report (2024) and Phi-4: fused matrices, a part of each head is rotated, LongRoPE.
    {.name = "phi3", .rope_factors = true},
    // GLM-4-0414 model card (2025)
    {.name = "glm4", .norms_after = true, .rope_interleaved = true, .keys = {"rope.dimension_sections"}},
    // GLM-4 report (2024): fused matrices, and a half of each head is rotated.
    {.name = "chatglm", .rope_interleaved = true},
    // GLM-4.5 report (2025)
    {.name = "glm4moe",
     .qk_norm = QkNorm::kHead,
     .qk_norm_is_optional = true,
     .experts = ExpertDefaults{.sigmoid = true},
     .keys = {"nextn_predict_layers", "rope.dimension_sections"}},

    // Gemma report (2024)
    {.name = "gemma", .activation = Activation::kGeluTanh, .scale_embeddings = true},
    // Gemma 2 report (2024): a local layer for each global one, soft caps.
    {.name = "gemma2",
     .norms_after = true,
     .activation = Activation::kGeluTanh,
     .scale_embeddings = true,
     .layers_scaled_by_share = 46,
     .global_every = 2,
     .default_window = 4096,
     .default_logit_softcap = 30,
     .default_attention_softcap = 50,
     .keys = {"attention.scale", "attn_logit_softcapping", "final_logit_softcapping"}},
    // Gemma 3 report (2025): five local layers for each global one; local RoPE base 10,000.
    of_gemma3({.name = "gemma3", .layers_scaled_by_share = 62, .global_every = 6, .keys = {"attention.scale", "final_logit_softcapping"}}),

    // Gemma 4 model card (2026): wide global heads, keys and values shared among layers, inputs of layers, experts beside the MLP.
    of_gemma3({.name = "gemma4",
               .unscaled_attention = true,
               .value_norm = true,
               .experts_beside_mlp = true,
               .experts = ExpertDefaults{},
               .rope_factors = true,
               .global_every = 6,
               .default_logit_softcap = 30,
               .keys = {"attention.shared_kv_layers", "embedding_length_per_layer_input", "final_logit_softcapping"}}),

    // Gemma 3n model card (2025): four residual streams, sparse gates, inputs of layers, keys and values shared among layers.
    of_gemma3({.name = "gemma3n",
               .unscaled_attention = true,
               .value_norm = true,
               .global_every = 5,
               .default_logit_softcap = 30,
               .keys = {"activation_sparsity_scale", "altup.active_idx", "altup.num_inputs", "attention.shared_kv_layers",
                        "embedding_length_per_layer_input", "final_logit_softcapping"}}),

    // OLMo 2 report (2024), and OLMo 3 (2025), which has three local layers for each global one.
    {.name = "olmo2",
     .norms_before = false,
     .norms_after = true,
     .qk_norm = QkNorm::kWhole,
     .global_every = 4,
     .default_window = 0,
     .local_rope_unscaled = true},
    // EXAONE 4.0 report (2025)
    {.name = "exaone4",
     .norms_before = false,
     .norms_after = true,
     .qk_norm = QkNorm::kHead,
     .rope_factors = true,
     .no_rope = NoRope::kWhereWindowsAreAbsent,
     .global_every = 4,
     .default_window = 0},
    // K-EXAONE report (2026): that with experts, and norms before the parts.
    {.name = "exaone-moe",
     .qk_norm = QkNorm::kHead,
     .experts = ExpertDefaults{.sigmoid = true},
     .rope_factors = true,
     .no_rope = NoRope::kWhereWindowsAreAbsent,
     .global_every = 4,
     .keys = {"nextn_predict_layers"}},

    // Falcon report (2023)
    {.name = "falcon", .norm = NormKind::kLayer, .parallel = true, .plain_mlp = true, .activation = Activation::kGeluTanh},
    // Phi-2 model card (2023)
    {.name = "phi2", .norm = NormKind::kLayer, .parallel = true, .plain_mlp = true, .activation = Activation::kGeluTanh},
    // Minitron report (2024)
    {.name = "nemotron", .norm = NormKind::kLayer, .plain_mlp = true, .activation = Activation::kSquaredRelu},
    // StarCoder2 report (2024)
    {.name = "starcoder2", .norm = NormKind::kLayer, .plain_mlp = true, .activation = Activation::kGeluTanh},
    // StableLM 2 report (2024); the model of 12B has parallel parts and norms of queries and keys.
    {.name = "stablelm",
     .norm = NormKind::kLayer,
     .qk_norm = QkNorm::kEachHead,
     .qk_norm_is_optional = true,
     .keys = {"use_parallel_residual"}},
    // Command R and R+ model cards (2024)
    {.name = "command-r",
     .norm = NormKind::kLayer,
     .parallel = true,
     .qk_norm = QkNorm::kEachHead,
     .qk_norm_is_optional = true,
     .rope_interleaved = true,
     .keys = {"logit_scale"}},
    // Command R7B model card (2024)
    {.name = "cohere2",
     .norm = NormKind::kLayer,
     .parallel = true,
     .rope_interleaved = true,
     .no_rope = NoRope::kWhereWindowsAreAbsent,
     .global_every = 4,
     .keys = {"logit_scale"}},

    // Encoders. BERT (Devlin et al. 2018) and XLM-RoBERTa (2019), with cross-encoders made of them.
    of_bert({.name = "bert", .positions = true, .plain_mlp = true, .activation = Activation::kGelu, .no_rope = NoRope::kAlways}),
    // Nomic Embed report (2024); the second version (2025) has experts in every other layer.
    of_bert({.name = "nomic-bert"}),
    of_bert({.name = "nomic-bert-moe", .plain_mlp = true, .activation = Activation::kGelu, .experts = ExpertDefaults{.normalised = false}}),
    // ModernBERT report (2024)
    {.name = "modern-bert",
     .norm = NormKind::kLayer,
     .embedding_norm = true,
     .two_sided = true,
     .activation = Activation::kGelu,
     .global_every = 3,
     .global_first = true,
     .local_rope_unscaled = true,
     .local_rope_base = 10000,
     .scores_mean = true},
    // EuroBERT report (2025): Llama, two-sided.
    {.name = "eurobert", .two_sided = true},
    // EmbeddingGemma report (2025): Gemma 3, two-sided, with two layers behind the pooling.
    of_gemma3({.name = "gemma-embedding",
               .two_sided = true,
               .global_every = 6,
               .keys = {"dense_2_feat_in", "dense_2_feat_out", "dense_3_feat_in", "dense_3_feat_out"}}),
};

}  // namespace

const Family* find_family(std::string_view architecture) {
  const auto* family = std::ranges::find(kFamilies, architecture, &Family::name);
  return family == std::end(kFamilies) ? nullptr : family;
}

}  // namespace mlxr::models
