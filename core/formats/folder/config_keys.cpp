#include "core/formats/folder/config_keys.h"

#include <algorithm>
#include <iterator>

namespace mlxr::formats {
namespace {

using Kind = ConfigKey::Kind;

constexpr ConfigKey kKeys[] = {
    {"altup_active_idx", "altup.active_idx"},
    {"altup_num_inputs", "altup.num_inputs"},
    {"attention_multiplier", "attention.scale", Kind::kNumber},
    {"attn_logit_softcapping", "attn_logit_softcapping", Kind::kNumber},
    {"embedding_multiplier", "embedding_scale", Kind::kNumber},
    {"final_logit_softcapping", "final_logit_softcapping", Kind::kNumber},
    {"first_k_dense_replace", "leading_dense_block_count"},
    {"hidden_size", "embedding_length"},
    {"hidden_size_per_layer_input", "embedding_length_per_layer_input"},
    {"intermediate_size", "feed_forward_length"},
    {"layer_norm_eps", "attention.layer_norm_epsilon", Kind::kNumber},
    {"logit_scale", "logit_scale", Kind::kNumber},
    {"logits_scaling", "logit_scale", Kind::kNumber},
    {"moe_intermediate_size", "expert_feed_forward_length"},
    {"moe_shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
    {"n_group", "expert_group_count"},
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
    {"num_kv_shared_layers", "attention.shared_kv_layers"},
    {"num_local_experts", "expert_count"},
    {"residual_multiplier", "residual_scale", Kind::kNumber},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", Kind::kNumber},
    {"routed_scaling_factor", "expert_weights_scale", Kind::kNumber},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
    {"top_k_experts", "expert_used_count"},
    {"topk_group", "expert_group_used_count"},
    {"use_parallel_residual", "use_parallel_residual", Kind::kBoolean},
    {"vocab_size", "vocab_size"},
};

// The values of those that run; a key may have several.
struct Fixed {
  std::string_view name;
  std::variant<bool, double, std::string_view> value;
  bool of_encoders = false;
};
constexpr Fixed kFixed[] = {
    {"altup_correct_scale", true},
    {"attn_output_gate", true},
    {"block_use_swiglu", true},
    {"causal", false},
    {"conv_bias", false},
    {"decoder_sparse_step", 1.0},
    {"full_attn_mod", 1.0},
    {"interpolate_factor", 1.0},
    {"add_cross_attention", false},
    {"is_decoder", false},
    {"is_encoder_decoder", false},
    {"lm_head_bias", false},
    {"mamba_hidden_act", "silu"},
    {"mlp_type", "default"},
    {"moe_layer_freq", 1.0},
    {"num_experts", 0.0, true},
    {"no_rope_layer_interval", 4.0},
    {"norm_type", "layer_norm"},
    {"normalization_function", "rmsnorm"},
    {"order_of_interleaved_layers", "local_attn_first"},
    {"parallel_block", false},
    {"position_embedding_type", "absolute"},
    {"position_embedding_type", "rope_gptj"},
    {"position_embedding_type", "rope"},
    {"position_embedding_type", "nope"},
    {"prenorm", false},
    {"residual_in_fp32", false},
    {"rope_interleave", true},
    {"rope_interleaved", false},
    {"rotary_emb_fraction", 1.0},
    {"rotary_emb_interleaved", false},
    {"scale_attn_by_inverse_layer_idx", false},
    {"scale_attn_weights", true},
    {"scoring_func", "sigmoid"},
    {"scoring_func", "softmax"},
    {"swiglu_limit", 7.0},
    {"topk_method", "noaux_tc"},
    {"topk_method", "greedy"},
    {"use_bidirectional_attention", false},
    {"use_bidirectional_attention", true, true},
    {"use_bidirectional_attention", "vision"},  // of images, which are refused
    {"use_gated_activation", true},
    {"use_mrope", false},
    {"use_parallel_block", true},
    {"use_rms_norm", false},
    {"use_pos_enc", true},
    {"use_parallel_embedding", true},
};

constexpr std::string_view kHarmless[] = {
    "_attn_implementation_autoset",
    "_name_or_path",
    "activation_function",  // of StarCoder2, beside hidden_act
    "add_pooling_layer",    // of Nomic: of a module that embeddings are not made of
    "altup_coef_clip",      // of Gemma 3n: of training; so is the next one
    "altup_lr_multiplier",
    "architectures",
    "attention_bias",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attention_softmax_in_fp32",
    "attn_implementation",
    "attn_pdrop",
    "auto_map",
    "aux_loss_alpha",  // of DeepSeek; so are ep_size and seq_aux
    "bias",
    "block_dim",  // of LFM2, beside hidden_size; the others of its blocks and convolutions are of training
    "block_mlp_init_scale",
    "block_norm_eps",
    "block_out_init_scale",
    "block_use_xavier_init",
    "boi_token_index",
    "bos_token_id",
    "cache_implementation",
    "chunk_size",             // of Mamba 2: how a scan is computed
    "classifier_activation",  // of ModernBERT and EuroBERT, where a model does not score; so are the other keys of classifiers
    "classifier_bias",
    "classifier_dropout",
    "classifier_pooling",
    "clf_pooling",
    "cls_token_id",
    "conv_dim",
    "conv_dim_out",
    "conv_use_xavier_init",
    "decoder_bias",
    "dense_seq_output",  // of Nomic: how it is computed; so are the keys that begin with "fused" and "use_flash_attn"
    "deterministic_flash_attn",
    "dtype",
    "embd_pdrop",
    "embedding_dropout",
    "eoi_token_index",
    "eos_token_id",
    "ep_size",
    "expand",             // of Mamba 2, beside its heads
    "experts_per_token",  // of gpt-oss, beside num_experts_per_tok
    "finetuning_task",
    "fused_bias_fc",
    "fused_dropout_add_ln",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "image_token_id",
    "image_token_index",
    "initial_context_length",  // of gpt-oss, beside what its RoPE scaling says
    "initializer_cutoff_factor",
    "initializer_range",
    "is_llama_config",
    "label2id",
    "laurel_rank",  // of Gemma 3n: the tensors show it
    "layer_norm_bias",
    "layer_norm_epsilon",  // of StarCoder2, beside norm_epsilon
    "layer_switch",        // of Cohere 2, beside its pattern
    "mamba_chunk_size",
    "mamba_conv_bias",
    "mamba_d_conv",  // of Granite 4 without Mamba 2; so are the next ones, beside those that say how it is computed
    "mamba_d_head",
    "mamba_d_state",
    "mamba_expand",
    "mamba_n_groups",
    "mamba_n_heads",
    "mamba_proj_bias",
    "mamba_ssm_cache_dtype",
    "mamba_ssm_dtype",  // of Qwen3.5: states are float32 here
    "mask_token_id",
    "max_window_layers",  // of Qwen, where use_sliding_window is false
    "mlp_bias",
    "mlp_dropout",
    "mlp_fc1_bias",
    "mlp_fc2_bias",
    "mm_tokens_per_image",
    "model_max_length",
    "model_type",
    "mtp_hybrid_override_pattern",
    "mtp_layers_block_type",
    "mtp_num_hidden_layers",  // of Qwen3.5: layers that predict further tokens, which are left out
    "mtp_use_dedicated_embeddings",
    "norm_bias",
    "num_heads",  // of LFM2, beside num_attention_heads
    "num_logits_to_keep",
    "num_query_groups",                  // of Nemotron-H, beside num_key_value_heads
    "original_max_position_embeddings",  // of Phi-3 without RoPE scaling
    "output_past",
    "output_router_logits",
    "pad_token_id",
    "pad_vocab_size_multiple",
    "parallel_block_tied_norm",
    "pretraining_tp",
    "problem_type",
    "qk_layernorm",
    "qkv_proj_bias",
    "reference_compile",
    "reorder_and_upcast_attn",
    "repad_logits_with_grad",
    "rescale_prenorm_residual",
    "resid_pdrop",
    "residual_dropout",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "scale_attention_softmax_in_fp32",
    "sentence_transformers",
    "sep_token_id",
    "seq_aux",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "summary_activation",  // of GPT-2: of a head that Nomic does not have; so are the next four
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "tie_word_embeddings",
    "time_step_floor",  // of Mamba 2: how it is trained; so are the next three
    "time_step_limit",
    "time_step_max",
    "time_step_min",
    "time_step_rank",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_bias",
    "use_cache",
    "use_conv_bias",
    "use_embedding_sharing",
    "use_expert_bias",
    "use_flash_attn",
    "use_mamba_kernels",
    "use_qk_norm",
    "use_qkv_bias",
    "use_xentropy",
    "video_token_id",
    "vision_config",
    "vision_end_token_id",
    "vision_start_token_id",
    "vision_token_id",
};

bool equals(const Json& value, const Fixed& fixed) {
  if (const auto* truth = std::get_if<bool>(&fixed.value)) return value.boolean() == *truth;
  if (const auto* number = std::get_if<double>(&fixed.value)) return value.number() == *number;
  return value.text() && *value.text() == std::get<std::string_view>(fixed.value);
}

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }

void check_fixed_keys(ConfigReader& config, bool is_encoder) {
  for (const auto& fixed : kFixed) {
    if (fixed.of_encoders && !is_encoder) continue;
    const auto* value = config.find(fixed.name);
    const auto runs = [&](const Fixed& row) { return row.name == fixed.name && (is_encoder || !row.of_encoders) && equals(*value, row); };
    if (value && std::ranges::none_of(kFixed, runs)) config.note(ErrorCode::kUnsupported, fixed.name, "of a kind that MLXR does not run");
  }
}

std::span<const std::string_view> harmless_config_keys() { return kHarmless; }

}  // namespace mlxr::formats
