"""Model folders of many families, with the names and the config.json of Hugging Face: logits as those of mlx-lm's own classes.

Weights are float32, as in test_families.py, whose bound this is.
"""

import json
import os
import subprocess

import numpy as np
import pytest
from folder_models import (
    VOCABULARY, Family, alone, channels_first, less_one, mx, of_deepseek, of_gemma3n, of_gemma3n_text, of_gemma4, of_gemma4_experts, of_glm4, of_gpt_oss, of_granite, of_granite_hybrid, of_lfm2_moe, of_mixtral, of_nemotron, of_qwen, of_qwen3_next,
    of_qwen3_vl_moe, of_qwen35_moe, of_qwen35_text, write, write_fp8, write_packed,
)  # fmt: skip
from gguf import GGMLQuantizationType, GGUFReader, dequantize
from peer import peer_logits
from real_models import BUILD, VARIANTS, logits

BASE = {
    "hidden_size": 144,
    "num_hidden_layers": 4,
    "intermediate_size": 200,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
RMS = {**BASE, "rms_norm_eps": 1e-5}

LLAMA = Family("llama", {**RMS, "model_type": "llama", "rope_theta": 10000.0}, {"hidden_act": "silu", "torch_dtype": "float32"})
LLAMA3_SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
QWEN2 = Family("qwen2", {**RMS, "model_type": "qwen2", "rope_theta": 1e6}, {"hidden_act": "silu", "use_sliding_window": False, "sliding_window": 512, "max_window_layers": 4})
# dim 144, because mlx-lm rounds the scale of the embeddings to bfloat16. Two global layers, and windows shorter than the text.
GEMMA3 = Family(
    "gemma3_text",
    {**RMS, "model_type": "gemma3_text", "num_hidden_layers": 7, "head_dim": 32, "query_pre_attn_scalar": 32, "rope_theta": 1e6, "rope_local_base_freq": 10000.0, "sliding_window": 16, "sliding_window_pattern": 3},
    {"hidden_activation": "gelu_pytorch_tanh", "attn_logit_softcapping": None, "final_logit_softcapping": None},
)

GEMMA2 = Family(
    "gemma2",
    {**RMS, "model_type": "gemma2", "head_dim": 32, "query_pre_attn_scalar": 32, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    # mlx-lm's Gemma 2 has no windows: the one here is longer than the text
    {"hidden_activation": "gelu_pytorch_tanh", "sliding_window": 512, "rope_theta": 10000.0},
)
GRANITE = Family(
    "granite",
    {**RMS, "model_type": "granite", "rope_theta": 10000.0, "attention_bias": False, "mlp_bias": False, "logits_scaling": 3.0, "attention_multiplier": 0.15, "embedding_multiplier": 7.0, "residual_multiplier": 0.3},
)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
MINISTRAL3 = Family(
    "ministral3",
    # the temperature of attention grows within the text
    {**RMS, "model_type": "ministral3", "head_dim": 32, "rope_parameters": {**YARN, "rope_theta": 10000.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1}},
)
OLMO3 = Family(
    "olmo3",
    {**RMS, "model_type": "olmo3", "rope_theta": 10000.0, "sliding_window": 16, "tie_word_embeddings": False, "rope_scaling": {**YARN, "beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": 1.138629436111989}},
)
LONG, SHORT = [1.0 + i / 2 for i in range(9)], [1.0 + i / 8 for i in range(9)]
PHI3 = Family("phi3", {**RMS, "model_type": "phi3", "rope_theta": 10000.0, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 128}, {"sliding_window": None, "embd_pdrop": 0.0})
GLM4 = Family("glm4", {**RMS, "model_type": "glm4", "rope_theta": 10000.0, "attention_bias": True, "head_dim": 32, "partial_rotary_factor": 0.5, "tie_word_embeddings": False}, {"hidden_act": "silu"})
STARCODER2 = Family("starcoder2", {**BASE, "model_type": "starcoder2", "norm_epsilon": 1e-5, "rope_theta": 10000.0}, {"hidden_act": "gelu_pytorch_tanh", "use_bias": True, "mlp_type": "default"}, gelu_is_tanh=True)
STABLELM = Family("stablelm", {**BASE, "model_type": "stablelm", "layer_norm_eps": 1e-5, "rope_theta": 10000.0, "use_qkv_bias": True, "partial_rotary_factor": 0.25, "tie_word_embeddings": False})
COHERE = Family("cohere", {**BASE, "model_type": "cohere", "layer_norm_eps": 1e-5, "rope_theta": 10000.0, "logit_scale": 0.5})
COHERE2 = Family("cohere2", {**BASE, "model_type": "cohere2", "head_dim": 24, "layer_norm_eps": 1e-5, "rope_theta": 10000.0, "logit_scale": 0.5, "sliding_window": 16, "sliding_window_pattern": 4}, {"rotary_pct": 1.0})
EXAONE4 = Family(
    "exaone4",
    {**RMS, "model_type": "exaone4", "head_dim": 32, "rope_theta": 10000.0, "rope_scaling": LLAMA3_SCALING, "sliding_window": 16, "sliding_window_pattern": "LLLG"},
    {"layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
)
INTERNLM2 = Family("internlm2", {**RMS, "model_type": "internlm2", "rope_theta": 10000.0, "tie_word_embeddings": False, "bias": False}, {"rope_scaling": {"type": "dynamic", "factor": 2.0}})
QWEN3 = Family("qwen3", {**RMS, "model_type": "qwen3", "rope_theta": 1e6, "head_dim": 32})

EXPERTS = {"num_experts_per_tok": 2, "norm_topk_prob": True}
MIXTRAL = Family("mixtral", {**RMS, "model_type": "mixtral", "rope_theta": 10000.0, "num_local_experts": 5, "num_experts_per_tok": 2}, {"output_router_logits": False, "router_aux_loss_coef": 0.02, "sliding_window": None})
QWEN2_MOE = Family(
    "qwen2_moe",
    # mlx-lm never makes the weights of experts add up to one. Heads of 32: what llama.cpp rounds more with others makes it take another expert.
    {**RMS, "model_type": "qwen2_moe", "hidden_size": 192, "rope_theta": 1e6, "tie_word_embeddings": False, "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 96, "shared_expert_intermediate_size": 120},
    {"decoder_sparse_step": 1, "mlp_only_layers": [], "norm_topk_prob": False, "use_sliding_window": False},
)
QWEN3_MOE = Family("qwen3_moe", {**RMS, **EXPERTS, "model_type": "qwen3_moe", "rope_theta": 1e6, "head_dim": 32, "num_experts": 6, "moe_intermediate_size": 96, "decoder_sparse_step": 1, "mlp_only_layers": []})
GLM4_MOE = Family(
    "glm4_moe",
    {**RMS, **EXPERTS, "model_type": "glm4_moe", "rope_theta": 10000.0, "rope_scaling": None, "head_dim": 32, "partial_rotary_factor": 0.5, "attention_bias": True, "use_qk_norm": True, "tie_word_embeddings": False, "n_routed_experts": 6, "n_shared_experts": 2, "moe_intermediate_size": 96, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.5},
)
GRANITE_MOE = Family("granitemoe", {**GRANITE.config, "model_type": "granitemoe", "num_local_experts": 5, "num_experts_per_tok": 2})
GPT_OSS = Family(
    "gpt_oss",
    {
        **{key: value for key, value in RMS.items() if key != "tie_word_embeddings"},
        "model_type": "gpt_oss", "hidden_size": 160, "intermediate_size": 96, "head_dim": 32, "num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"] * 2, "rope_theta": 10000.0, "rope_scaling": {**YARN, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False},
    },
    {"tie_word_embeddings": False, "swiglu_limit": 7.0, "experts_per_token": 2, "initial_context_length": 32},
)  # fmt: skip

LFM2_BASE = {
    **BASE, "norm_eps": 1e-5, "hidden_size": 192, "conv_bias": False, "conv_L_cache": 3, "rope_theta": 1e6,
    "layer_types": ["conv", "full_attention", "conv", "full_attention"],
}  # fmt: skip
LFM2 = Family(
    "lfm2",
    {**LFM2_BASE, "model_type": "lfm2", "block_dim": 192, "block_ff_dim": 300, "block_multiple_of": 32, "block_ffn_dim_multiplier": 1.2, "block_auto_adjust_ff_dim": True},
    {"intermediate_size": 300, "block_use_swiglu": True, "conv_dim": 192, "use_pos_enc": True, "num_heads": 6},
)
LFM2_MOE = Family(
    "lfm2_moe",
    {**LFM2_BASE, **EXPERTS, "model_type": "lfm2_moe", "num_experts": 6, "moe_intermediate_size": 96, "num_dense_layers": 1, "use_expert_bias": True, "routed_scaling_factor": 1.0},
)

DELTA = {
    **RMS, "hidden_size": 160, "head_dim": 64, "full_attention_interval": 2,
    "linear_num_key_heads": 2, "linear_num_value_heads": 6, "linear_key_head_dim": 32, "linear_value_head_dim": 32, "linear_conv_kernel_dim": 4,
}  # fmt: skip
DELTA_EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 96, "shared_expert_intermediate_size": 120}
QWEN3_NEXT = Family(
    "qwen3_next",
    {**DELTA, **DELTA_EXPERTS, "model_type": "qwen3_next", "rope_theta": 1e6, "partial_rotary_factor": 0.25, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "tie_word_embeddings": False},
    {"layer_types": ["linear_attention", "full_attention"] * 2},
)
AXES = {"type": "default", "mrope_section": [3, 3, 2], "mrope_interleaved": True, "rope_theta": 1e6, "partial_rotary_factor": 0.25}


def qwen35(module, **changes):
    return Family(
        module,
        {"model_type": module, "tie_word_embeddings": True, "text_config": {**DELTA, "model_type": f"{module}_text", "rope_parameters": AXES, "mtp_num_hidden_layers": 1, "attn_output_gate": True, **changes}},
        {"vision_config": {"hidden_size": 4}},
    )


QWEN35, QWEN35_MOE = qwen35("qwen3_5"), qwen35("qwen3_5_moe", **DELTA_EXPERTS, intermediate_size=None)


def gemma3n(**changes):
    """The last layers read the keys and values of others, the first ones open few of their gates, and the last tokens have no inputs of layers."""
    text = {
        **RMS, "model_type": "gemma3n_text", "num_hidden_layers": 8, "head_dim": 32, "sliding_window": 16, "layer_types": (["sliding_attention"] * 2 + ["full_attention"]) * 2 + ["full_attention", "sliding_attention"],
        "num_kv_shared_layers": 2, "vocab_size_per_layer_input": VOCABULARY - 8, "hidden_size_per_layer_input": 24, "altup_num_inputs": 4, "altup_active_idx": 0, "altup_coef_clip": 120.0, "altup_correct_scale": True,
        "laurel_rank": 16, "activation_sparsity_pattern": [0.9, 0.4] + [0.0] * 6, "rope_theta": 1e6, "rope_local_base_freq": 10000.0, "rope_scaling": None, "final_logit_softcapping": 3.0,
        "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 32, "altup_lr_multiplier": 1.0, **changes,
    }  # fmt: skip
    text["intermediate_size"] = [text["intermediate_size"]] * text["num_hidden_layers"]
    return Family("gemma3n", {"model_type": "gemma3n", "text_config": text}, {"vision_config": {"hidden_size": 4}, "audio_config": {"hidden_size": 4}, "tie_word_embeddings": True})


GEMMA3N = gemma3n()
GEMMA3N_ALONE = GEMMA3N.but({**GEMMA3N.config["text_config"], "text_config": None, "vision_config": None, "audio_config": None}, published=of_gemma3n_text)
# What llama.cpp has in its source: so many layers with keys of their own, and with few open gates, and this cap.
GEMMA3N_LIKE_E2B = gemma3n(
    num_hidden_layers=23, intermediate_size=2048, num_kv_shared_layers=3, hidden_size_per_layer_input=256, laurel_rank=64, activation_sparsity_pattern=[0.95] * 10 + [0.0] * 13, final_logit_softcapping=30.0,
    layer_types=["full_attention" if i % 5 == 4 else "sliding_attention" for i in range(23)],
)  # fmt: skip


def gemma4(**changes):
    """As E2B and E4B are: some of the layers see a window, the last three read the keys and values of others, each has an input of its own."""
    text = {
        **RMS, "model_type": "gemma4_text", "num_hidden_layers": 6, "head_dim": 32, "global_head_dim": 64, "sliding_window": 16, "layer_types": (["sliding_attention"] * 2 + ["full_attention"]) * 2,
        "num_kv_shared_layers": 3, "use_double_wide_mlp": True, "hidden_size_per_layer_input": 24, "vocab_size_per_layer_input": VOCABULARY, "final_logit_softcapping": 3.0, "attention_k_eq_v": False,
        "rope_parameters": {"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}},
        "enable_moe_block": False, "num_global_key_value_heads": None, "num_experts": None, "hidden_activation": "gelu_pytorch_tanh", "use_bidirectional_attention": None, **changes,
    }  # fmt: skip
    return Family("gemma4", {"model_type": "gemma4", "vocab_size": VOCABULARY, "text_config": text}, {"vision_config": {"hidden_size": 4}, "tie_word_embeddings": True})


GEMMA4 = gemma4()
GEMMA4_ALONE = Family("gemma4_text", GEMMA4.config["text_config"])
# As 31B and 26B are: heads that see everything have no matrices of values, and fewer heads.
WIDE = {"num_kv_shared_layers": 0, "use_double_wide_mlp": False, "hidden_size_per_layer_input": 0, "attention_k_eq_v": True, "num_global_key_value_heads": 1, "use_bidirectional_attention": "vision"}
GEMMA4_WIDE = gemma4(**WIDE)
GEMMA4_EXPERTS = gemma4(**WIDE, enable_moe_block=True, num_experts=6, top_k_experts=2, moe_intermediate_size=96)

LATENT = {
    **BASE, "rms_norm_eps": 1e-6, "num_attention_heads": 4, "num_key_value_heads": 4, "kv_lora_rank": 64, "q_lora_rank": 48, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 24,
    "rope_theta": 10000.0, "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 3, "moe_intermediate_size": 96, "first_k_dense_replace": 1, "moe_layer_freq": 1, "tie_word_embeddings": False,
    "rope_scaling": {**YARN, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
}  # fmt: skip
DEEPSEEK3 = Family(
    "deepseek_v3",
    {**LATENT, "model_type": "deepseek_v3", "n_group": 4, "topk_group": 2, "routed_scaling_factor": 2.5, "norm_topk_prob": True, "scoring_func": "sigmoid", "topk_method": "noaux_tc"},
    {"ep_size": 1, "num_nextn_predict_layers": 1, "attention_bias": False, "rope_interleave": True},
)
# GLM 4.7 Flash
GLM4_LITE = Family(
    "glm4_moe_lite",
    {**LATENT, "rms_norm_eps": 1e-5, "model_type": "glm4_moe_lite", "rope_scaling": None, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.8, "norm_topk_prob": True, "topk_method": "noaux_tc", "partial_rotary_factor": 1.0},
    {"num_nextn_predict_layers": 1, "attention_bias": False},
)
DEEPSEEK2 = Family(
    "deepseek_v2",
    {**LATENT, "model_type": "deepseek_v2", "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.5, "topk_method": "greedy"},
    {"scoring_func": "softmax", "norm_topk_prob": False, "aux_loss_alpha": 0.001, "seq_aux": True},
)

# llama.cpp asks for twice the width of the model
MAMBA = {"num_hidden_layers": 4, "mamba_n_heads": 9, "mamba_d_head": 32, "mamba_d_state": 64, "mamba_d_conv": 4, "mamba_n_groups": 1, "mamba_proj_bias": False, "mamba_conv_bias": True}
GRANITE_HYBRID = Family(
    "granitemoehybrid",
    {
        **{key: value for key, value in GRANITE.config.items() if key != "rope_theta"}, **MAMBA, "model_type": "granitemoehybrid", "num_local_experts": 5, "num_experts_per_tok": 2, "intermediate_size": 96,
        "shared_intermediate_size": 120, "layer_types": ["mamba", "mamba", "attention", "mamba"], "position_embedding_type": "nope", "time_step_limit": [0.0, float("inf")],
    },
    {"rope_theta": 10000, "mamba_expand": 2, "mamba_chunk_size": 256, "normalization_function": "rmsnorm", "hidden_act": "silu"},
)  # fmt: skip
DENSE = {"num_local_experts": 0, "num_experts_per_tok": 0, "intermediate_size": 200, "shared_intermediate_size": 200}
ATTENTION_ALONE = {"layer_types": ["attention"] * 4, "position_embedding_type": "rope", "rope_theta": 10000.0}

NEMOTRON = Family(
    "nemotron_h",
    {
        **{key: value for key, value in BASE.items() if key not in ("tie_word_embeddings", "num_hidden_layers")}, "model_type": "nemotron_h", "head_dim": 32, "attention_bias": False, "mamba_num_heads": 8,
        "mamba_head_dim": 32, "mamba_proj_bias": False, "ssm_state_size": 64, "conv_kernel": 4, "n_groups": 2, "mlp_bias": False, "layer_norm_epsilon": 1e-5, "use_bias": False, "use_conv_bias": True,
        "hybrid_override_pattern": "M*-M", "time_step_limit": [0.0, float("inf")],
    },
    {"num_hidden_layers": 4, "tie_word_embeddings": False, "mlp_hidden_act": "relu2", "mamba_hidden_act": "silu", "expand": 2, "chunk_size": 128, "rope_theta": 10000, "partial_rotary_factor": 1.0},
)  # fmt: skip
NEMOTRON_EXPERTS = NEMOTRON.but(
    hybrid_override_pattern=None, layers_block_type=["mamba", "attention", "moe", "moe"], n_routed_experts=6, n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=96,
    moe_shared_expert_intermediate_size=120, n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.5,
)  # fmt: skip

QWEN3_VL_TEXT = {**RMS, "model_type": "qwen3_vl_text", "rope_theta": 5e6, "head_dim": 32, "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [6, 5, 5]}}
QWEN3_VL = Family("qwen3_vl", {"model_type": "qwen3_vl", "text_config": QWEN3_VL_TEXT}, {"vision_config": {"deepstack_visual_indexes": [1, 2]}, "tie_word_embeddings": True})
QWEN3_VL_MOE = Family(
    "qwen3_vl_moe",
    {
        "model_type": "qwen3_vl_moe",
        "text_config": {**QWEN3_VL_TEXT, **EXPERTS, "model_type": "qwen3_vl_moe_text", "num_experts": 6, "moe_intermediate_size": 96, "decoder_sparse_step": 1, "mlp_only_layers": [], "tie_word_embeddings": False},
    },
    {"vision_config": {"deepstack_visual_indexes": [1, 2]}, "tie_word_embeddings": False},
)
AXES_OF_QWEN2 = {"type": "mrope", "mrope_section": [4, 4, 4]}
QWEN2_VL = Family("qwen2_vl", {**RMS, "model_type": "qwen2_vl", "rope_theta": 1e6, "rope_scaling": AXES_OF_QWEN2}, {"vision_config": {"depth": 2}, "vision_start_token_id": 1, "use_sliding_window": False})
QWEN2_5_VL = Family(
    "qwen2_vl",
    {"model_type": "qwen2_5_vl", "text_config": {**QWEN2_VL.config, "model_type": "qwen2_5_vl_text", "rope_scaling": {**AXES_OF_QWEN2, "rope_type": "default", "type": "default"}}},
    {"vision_config": {"depth": 2}, "rope_theta": 1e6, "tie_word_embeddings": True},
)

FAMILIES = {
    "gemma3n": GEMMA3N.but(published=of_gemma3n),
    "gemma3n-like-e2b": GEMMA3N_LIKE_E2B,
    "gemma3n-text-alone": GEMMA3N_ALONE,
    "gemma4": GEMMA4.but(published=of_gemma4),
    "gemma4-text-alone": GEMMA4_ALONE,
    "gemma4-as-mlx-lm-has-it": GEMMA4,
    "gemma4-wide": GEMMA4_WIDE,
    "gemma4-experts": GEMMA4_EXPERTS.but(published=of_gemma4_experts),
    "gemma4-experts-as-mlx-lm-has-it": GEMMA4_EXPERTS,
    "deepseek2": DEEPSEEK2.but(published=of_qwen),
    "deepseek2-lite": DEEPSEEK2.but(q_lora_rank=None, published=of_qwen),
    "deepseek2-stacked": DEEPSEEK2,
    "deepseek3": DEEPSEEK3.but(published=of_deepseek),
    "deepseek3-as-mlx-lm-has-it": DEEPSEEK3,
    "glm4moelite": GLM4_LITE.but(published=lambda weights: of_glm4(of_deepseek(weights))),
    "glm4moelite-as-mlx-lm-has-it": GLM4_LITE,
    "granitehybrid": GRANITE_HYBRID.but(published=of_granite_hybrid),
    "granitehybrid-as-mlx-lm-has-it": GRANITE_HYBRID,
    "granitehybrid-dense": GRANITE_HYBRID.but(**DENSE, published=of_granite_hybrid),
    "granitehybrid-attention-alone": GRANITE_HYBRID.but(**DENSE, **ATTENTION_ALONE, published=of_granite_hybrid),
    "qwen3vl": QWEN3_VL,
    "qwen3vlmoe": QWEN3_VL_MOE.but(published=of_qwen3_vl_moe),
    "qwen3vlmoe-as-mlx-lm-has-it": QWEN3_VL_MOE,
    "qwen2vl": QWEN2_VL.but(published=alone),
    "qwen2.5vl": QWEN2_5_VL,
    "nemotron_h": NEMOTRON.but(published=of_nemotron),
    "nemotron_h_moe": NEMOTRON_EXPERTS.but(published=of_nemotron),
    "nemotron_h_moe-stacked": NEMOTRON_EXPERTS,
    "qwen3next": QWEN3_NEXT.but(published=of_qwen3_next),
    "qwen3next-as-mlx-lm-has-it": QWEN3_NEXT,
    "qwen35": QWEN35.but(published=less_one),
    "qwen35-as-mlx-lm-has-it": QWEN35,
    "qwen35-text-alone": Family("qwen3_5", QWEN35.config["text_config"], published=of_qwen35_text),
    "qwen35moe": QWEN35_MOE.but(published=of_qwen35_moe),
    "qwen35moe-as-mlx-lm-has-it": QWEN35_MOE,
    "lfm2": LFM2.but(published=channels_first),
    "lfm2-as-mlx-lm-has-it": LFM2.but(layer_types=None, full_attn_idxs=[1, 3], block_auto_adjust_ff_dim=False),
    "lfm2moe": LFM2_MOE.but(published=of_lfm2_moe),
    "lfm2moe-stacked": LFM2_MOE,
    "mixtral": MIXTRAL.but(published=of_mixtral),
    "mixtral-stacked": MIXTRAL,
    "qwen2moe": QWEN2_MOE.but(published=of_qwen),
    "qwen2moe-stacked": QWEN2_MOE,
    "qwen3moe": QWEN3_MOE.but(published=of_qwen),
    "qwen3moe-stacked": QWEN3_MOE,
    "qwen3moe-not-normalised": QWEN3_MOE.but(norm_topk_prob=False),
    "glm4moe": GLM4_MOE.but(published=of_glm4, more={"num_nextn_predict_layers": 1, "scoring_func": "sigmoid"}),
    "glm4moe-stacked": GLM4_MOE.but(attention_bias=False, use_qk_norm=False),
    "granitemoe": GRANITE_MOE.but(published=of_granite),
    "granitemoe-stacked": GRANITE_MOE,
    "gpt-oss-stacked": GPT_OSS,
    "llama": LLAMA,
    "llama-own-head": LLAMA.but(tie_word_embeddings=False),
    "llama-biases": LLAMA.but(attention_bias=True, mlp_bias=True),
    "llama-wide-heads": LLAMA.but(head_dim=32),
    "llama3": LLAMA.but(rope_scaling=LLAMA3_SCALING),
    "linear": LLAMA.but(rope_scaling={"type": "linear", "factor": 4.0}),
    "dynamic": LLAMA.but(rope_scaling={"type": "dynamic", "factor": 2.0}),
    "mistral": LLAMA.but(more={"model_type": "mistral", "sliding_window": None}),
    # as transformers 5 writes it
    "rope-parameters": LLAMA.but(more={"rope_theta": None, "rope_scaling": None, "rope_parameters": {**LLAMA3_SCALING, "rope_theta": 10000.0}}, rope_scaling=LLAMA3_SCALING),
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "qwen3-yarn": QWEN3.but(rope_scaling=YARN),
    "gemma": Family("gemma", {**RMS, "model_type": "gemma", "head_dim": 32}, {"hidden_act": "gelu", "hidden_activation": None, "rope_theta": 10000.0}, gelu_is_tanh=True),
    "gemma2": GEMMA2,
    "gemma3": GEMMA3,
    "gemma3-linear": GEMMA3.but(rope_scaling={"rope_type": "linear", "factor": 8.0}),
    "gemma3-layer-types": GEMMA3.but(more={"sliding_window_pattern": None, "_sliding_window_pattern": 3, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2 + ["sliding_attention"]}),
    "gemma3-with-vision": Family("gemma3", {"model_type": "gemma3", "vocab_size": VOCABULARY, "tie_word_embeddings": True, "text_config": {**GEMMA3.config, **GEMMA3.more}}, {"vision_config": {"hidden_size": 4}, "image_token_index": 1}),
    "smollm3": Family("smollm3", {**RMS, "model_type": "smollm3", "rope_theta": 10000.0, "num_hidden_layers": 5}, {"no_rope_layers": [1, 1, 1, 0, 1], "no_rope_layer_interval": 4, "hidden_act": "silu"}),
    "granite": GRANITE,
    "ministral3": MINISTRAL3,
    "olmo2": Family("olmo2", {**RMS, "model_type": "olmo2", "rope_theta": 10000.0, "tie_word_embeddings": False}),
    "olmo3": OLMO3,
    "phi3": PHI3,
    # texts longer than the original context: mlx-lm has the factors for long texts alone
    "phi3-longrope": PHI3.but(original_max_position_embeddings=64, rope_scaling={"type": "longrope", "long_factor": LONG, "short_factor": SHORT}),
    "glm4": GLM4,
    "starcoder2": STARCODER2,
    "stablelm": STABLELM,
    "stablelm-12b": STABLELM.but(qk_layernorm=True, use_parallel_residual=True, use_qkv_bias=False),
    "command-r": COHERE,
    "command-r-plus": COHERE.but(use_qk_norm=True),
    "cohere2": COHERE2,
    "exaone4": EXAONE4,
    "exaone4-1.2b": EXAONE4.but(more={"layer_types": ["full_attention"] * 4}, sliding_window=None, sliding_window_pattern=None),
    "internlm2": INTERNLM2,
    "internlm2-biases": INTERNLM2.but(more={"bias": True}, bias=True),
}

# What llama.cpp asks of a model beside what its file says.
NOT_FOR_LLAMA_CPP = {
    "command-r-plus",  # norms of queries only in models of 64 layers
    "deepseek2-lite",  # 27 layers
    "exaone4",  # heads that are together as wide as the model
    "exaone4-1.2b",
    "gemma3n",  # 20 layers with keys of their own
    "gemma3n-text-alone",
    "internlm2-biases",
    "phi3",  # a vocabulary of SentencePiece's kind
    "phi3-longrope",
    "qwen3moe-not-normalised",  # it always makes the weights of experts add up to one
}

TOKENS = [int(token) for token in np.random.default_rng(1).integers(0, VOCABULARY, 300)]
FEW = TOKENS[:90]  # where numbers are rounded differently: in a longer text some token lies between two experts, and then gets the other one
ARITHMETIC = 0.003  # of the logits' standard deviation; measured below 0.0006, 0.0016 where some weights are float16, and 0.0022 in 23 layers of Gemma 3n
OF_LLAMA_CPP = 0.02  # it rounds more where heads are not a multiple of 32 wide; measured below 0.012, and 0.002 with heads of 32
HALF = 0.01  # where all are; measured 0.006


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders") / request.param
    return folder, write(folder, FAMILIES[request.param], TOKENS)


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_logits_agree_with_mlx_lm(family, variant):
    folder, expected = family
    difference = np.abs(logits(folder, variant, 17, TOKENS) - expected).max() / expected.std()
    print(f"{folder.name} {variant}: largest difference {difference:.5f}")
    assert difference < ARITHMETIC


def run_import(folder, home):
    """What `mlx import` did, and the GGUF file that it made."""
    run = subprocess.run([BUILD / "bin" / "mlx", "import", folder, "--name", "made"], env={**os.environ, "MLXR_HOME": str(home)}, capture_output=True, text=True)
    return run, next(home.rglob("made.gguf"), None)


@pytest.fixture(scope="module")
def imported(family, tmp_path_factory):
    """The GGUF file that an import makes of a folder, and mlx-lm's logits."""
    folder, expected = family
    run, file = run_import(folder, tmp_path_factory.mktemp("imported"))
    assert run.returncode == 0, run.stderr
    return file, folder, expected


def test_a_folder_and_the_file_made_of_it_are_the_same_model(imported):
    file, folder, _ = imported
    of_file, of_folder = logits(file, "scalar", 17, TOKENS), logits(folder, "scalar", 17, TOKENS)
    assert np.abs(of_file - of_folder).max() < 1e-4 * of_folder.std()  # a file has the numbers of config.json as float32


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in NOT_FOR_LLAMA_CPP], indirect=True)
def test_llama_cpp_agrees_on_the_file(imported):
    """So the file says in GGUF's words what the folder says in Hugging Face's."""
    file, folder, expected = imported
    best = peer_logits(file, FEW, 0)
    difference = max(abs(logit - expected[i, token]) for i, row in enumerate(best) for token, logit in row) / expected.std()
    print(f"{folder.name} llama.cpp: largest difference {difference:.5f}")
    assert difference < OF_LLAMA_CPP


SQUARE = LLAMA.but(hidden_size=128, intermediate_size=256, num_attention_heads=4)  # groups of 128 divide every row


def packed(bits, group, mode="affine", own=None, family=SQUARE):
    return lambda folder, tokens: write_packed(folder, family, tokens, {"bits": bits, "group_size": group, "mode": mode}, own)


PACKED = {
    **{f"{bits}-bits-{group}": packed(bits, group) for bits, group in [(2, 32), (3, 64), (4, 32), (4, 64), (4, 128), (5, 64), (6, 64), (8, 32)]},
    "mxfp4": packed(4, 32, "mxfp4"),
    "nvfp4": packed(4, 16, "nvfp4"),
    "mxfp8": packed(8, 32, "mxfp8"),
    "mixed": packed(4, 64, own={"down_proj": {"bits": 6, "group_size": 32, "mode": "affine"}, "v_proj": False}),
    # as mlx-lm packs the routers of Gemma 4: a module's packing without a mode is affine
    "mixed-modes": packed(4, 32, "mxfp4", own={"down_proj": {"bits": 8, "group_size": 64}}),
    "experts-4-bits": packed(4, 32, family=QWEN3_MOE.but(hidden_size=160)),
    "experts-mxfp4": packed(4, 32, "mxfp4", family=QWEN3_MOE.but(hidden_size=160)),
    "gpt-oss": packed(4, 32, "mxfp4", own={".experts.": {"bits": 4, "group_size": 32, "mode": "mxfp4"}, "": False}, family=GPT_OSS.but(published=of_gpt_oss)),
    # the columns of packed weights in another order; groups are as wide as the heads
    "linear-attention-4-bits": packed(4, 32, family=qwen35("qwen3_5", intermediate_size=256)),
    "short-convolutions-4-bits": packed(4, 32, family=LFM2),
    "gemma4-4-bits": packed(4, 32, family=gemma4(hidden_size=256, intermediate_size=224, head_dim=32, global_head_dim=64, hidden_size_per_layer_input=32)),
    "gemma4-experts-4-bits": packed(4, 32, own={"router.proj": {"bits": 8, "group_size": 64}}, family=gemma4(**WIDE, hidden_size=256, intermediate_size=224, enable_moe_block=True, num_experts=6, top_k_experts=2, moe_intermediate_size=96)),
    "latent-attention-4-bits": packed(4, 32, family=DEEPSEEK3.but(hidden_size=256, intermediate_size=224, q_lora_rank=64, v_head_dim=32)),
    "latent-attention-undivided-4-bits": packed(4, 32, family=DEEPSEEK2.but(hidden_size=256, intermediate_size=224, q_lora_rank=64, v_head_dim=32)),
    "mamba-4-bits": packed(4, 32, family=GRANITE_HYBRID.but(hidden_size=256, num_attention_heads=8, intermediate_size=96, mamba_n_heads=16, shared_intermediate_size=128)),
    "single-parts-4-bits": packed(4, 32, family=NEMOTRON_EXPERTS.but(hidden_size=256, num_attention_heads=8, moe_shared_expert_intermediate_size=128)),
    "model-that-sees-4-bits": packed(4, 32, family=QWEN3_VL.but(text_config={**QWEN3_VL_TEXT, "hidden_size": 256, "intermediate_size": 224, "num_attention_heads": 8})),
    "fp8-blocks": lambda folder, tokens: write_fp8(folder, SQUARE, tokens, lambda rows, columns: (-(-rows // 128), -(-columns // 128))),
    "fp8-rows": lambda folder, tokens: write_fp8(folder, SQUARE, tokens, lambda rows, columns: (rows, 1)),
    "fp8-whole": lambda folder, tokens: write_fp8(folder, SQUARE, tokens, lambda rows, columns: ()),
}


NATIVE = {"mxfp4": GGMLQuantizationType.MXFP4, "nvfp4": GGMLQuantizationType.NVFP4}


@pytest.mark.parametrize("name", NATIVE)
def test_small_floats_are_kept_to_the_bit(name, tmp_path):
    folder = tmp_path / name
    PACKED[name](folder, TOKENS)
    _, file = run_import(folder, tmp_path / "home")
    stored = mx.load(str(folder / "model.safetensors"))
    packed = [tensor for tensor in GGUFReader(file).tensors if tensor.tensor_type == NATIVE[name]]
    assert len(packed) == 7 * LLAMA.config["num_hidden_layers"] + 1  # the embeddings are the head too
    for layer in range(LLAMA.config["num_hidden_layers"]):
        (made,) = [tensor for tensor in packed if tensor.name == f"blk.{layer}.ffn_down.weight"]
        module = f"model.layers.{layer}.mlp.down_proj"
        values = mx.dequantize(stored[f"{module}.weight"], stored[f"{module}.scales"].view(mx.uint8), group_size={"mxfp4": 32, "nvfp4": 16}[name], bits=4, mode=name)
        assert np.array_equal(dequantize(made.data, made.tensor_type), np.array(values.astype(mx.float32)))


@pytest.mark.parametrize(("name", "scale"), [("mxfp4", 0xFF), ("nvfp4", 0x7F), ("nvfp4", 0x81)])
def test_a_scale_that_is_no_positive_number_is_refused(name, scale, tmp_path):
    folder = tmp_path / name
    PACKED[name](folder, TOKENS)
    weights = mx.load(str(folder / "model.safetensors"))
    weights["model.layers.1.mlp.up_proj.scales"][3, 1] = scale
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    run, file = run_import(folder, tmp_path / "home")
    assert run.returncode != 0 and "model.layers.1.mlp.up_proj.weight' holds a value that is not a number" in run.stderr
    assert file is None


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        (LFM2, {"layer_types": ["conv"] * 3}, "layer_types is not one string for each layer"),
        (LFM2, {"layer_types": None, "full_attn_idxs": [1, 4]}, "full_attn_idxs is not a list of layers"),
        (LFM2, {"layer_types": ["mamba"] * 4}, "'mamba' for some layers"),
        (LFM2, {"block_ffn_dim_multiplier": -1}, "block_ffn_dim_multiplier is no factor"),
        (LFM2, {"conv_bias": True}, "conv_bias is of a kind"),
        (QWEN3_NEXT, {"layer_types": ["full_attention"] * 4}, "layer_types is not regular"),
        (QWEN3_NEXT, {"linear_num_key_heads": 4}, "linear_num_value_heads is no multiple"),
        (QWEN3_NEXT, {"linear_num_value_heads": 8}, "linear_attn.A_log' is not that"),
        (QWEN3_NEXT, {"linear_key_head_dim": 0}, "linear_key_head_dim is 0"),
        (GEMMA3N_ALONE, {"activation_sparsity_pattern": [0.95] * 3}, "activation_sparsity_pattern is not one number for each layer"),
        (GEMMA3N_ALONE, {"activation_sparsity_pattern": 1.0}, "activation_sparsity_pattern is 1.000000 for some layers"),
        (GEMMA3N_ALONE, {"altup_active_idx": 1}, "altup.active_idx"),
        (GEMMA3N_ALONE, {"altup_correct_scale": False}, "altup_correct_scale is of a kind"),
        (GEMMA3N_ALONE, {"altup_num_inputs": 3}, "has the shape"),
        (GEMMA3N_ALONE, {"intermediate_size": [200, "x"]}, "intermediate_size is not a list of integers"),
        (GEMMA3N_ALONE, {"num_kv_shared_layers": 8}, "attention.shared_kv_layers"),
        (GEMMA3N_ALONE, {"vocab_size_per_layer_input": 293}, "embed_tokens_per_layer.weight' is not that"),
        (GEMMA4_ALONE, {"layer_types": ["full_attention"] * 5}, "layer_types is not one string for each layer"),
        (GEMMA4_ALONE, {"attention_k_eq_v": True}, "the values of layer 2 are not those"),
        (GEMMA4_ALONE, {"num_kv_shared_layers": 6}, "num_kv_shared_layers is 6"),
        (GEMMA4_ALONE, {"num_kv_shared_layers": 2}, "blk.3."),
        (GEMMA4_ALONE, {"use_double_wide_mlp": False}, "blk.3.ffn_down.weight has the shape"),
        (GEMMA4_ALONE, {"global_head_dim": 32}, "blk.2.attn_"),
        (GEMMA4_ALONE, {"vocab_size_per_layer_input": 299}, "vocab_size_per_layer_input is not vocab_size"),
        (GEMMA4_ALONE, {"use_bidirectional_attention": "all"}, "use_bidirectional_attention is of a kind"),
        (GEMMA4_ALONE, {"rope_parameters": None}, "rope_parameters is missing"),
        (GEMMA4_ALONE, {"rope_parameters": {"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_type": "yarn"}}}, "'yarn' for layers with a window"),
        (GEMMA4_ALONE, {"rope_parameters": {"sliding_attention": {"partial_rotary_factor": 0.5}}}, "partial_rotary_factor is not 1 for layers with a window"),
        (DEEPSEEK3, {"qk_rope_head_dim": 24}, "has the shape"),
        (DEEPSEEK3, {"v_head_dim": 0}, "v_head_dim is 0"),
        (DEEPSEEK3, {"qk_head_dim": 47}, "qk_head_dim is not qk_nope_head_dim and qk_rope_head_dim together"),
        (DEEPSEEK3, {"n_group": 3}, "expert_group_count"),
        (DEEPSEEK3, {"moe_layer_freq": 2}, "moe_layer_freq is of a kind"),
        (DEEPSEEK3, {"scoring_func": "entmax"}, "scoring_func is of a kind"),
        (DEEPSEEK3, {"rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.7}}, "mscale is not mscale_all_dim"),
        (DEEPSEEK3.but(published=of_deepseek), {"qk_nope_head_dim": 40}, "kv_b_proj.weight' is not that"),
        (DEEPSEEK2, {"topk_method": "group_limited_greedy"}, "topk_method is of a kind"),
        (DEEPSEEK2, {"norm_topk_prob": True}, "norm_topk_prob is true"),
        (GRANITE_HYBRID, {"layer_types": ["mamba"] * 3}, "layer_types is not one string for each layer"),
        (GRANITE_HYBRID, {"layer_types": ["mamba", "conv", "attention", "mamba"]}, "'conv' for some layers"),
        (GRANITE_HYBRID, {"mamba_n_groups": 2}, "mamba_n_heads is no multiple of mamba_n_groups"),
        (GRANITE_HYBRID, {"mamba_n_heads": 8}, "mamba.A_log' is not that"),
        (GRANITE_HYBRID, {"time_step_limit": [0.001, 100.0]}, "time_step_limit is not from 0 to infinity"),
        (GRANITE_HYBRID, {"position_embedding_type": "alibi"}, "position_embedding_type is of a kind"),
        (LLAMA, {"position_embedding_type": "nope"}, "position_embedding_type is nope"),
        (NEMOTRON, {"hybrid_override_pattern": "M*-"}, "num_hidden_layers is not the number of layers"),
        (NEMOTRON, {"hybrid_override_pattern": "M*M?"}, "with layers of a kind"),
        (NEMOTRON, {"mlp_hidden_act": "silu"}, "mlp_hidden_act is not relu2"),
        (NEMOTRON_EXPERTS, {"moe_latent_size": 64}, "moe_latent_size is there"),
    ],
)
def test_folders_that_contradict_their_description(family, changes, message, tmp_path):
    folder = tmp_path / "model"
    write(folder, family, TOKENS[:2])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    run, file = run_import(folder, tmp_path / "home")
    assert run.returncode != 0 and message in run.stderr
    assert file is None


@pytest.mark.parametrize("infinity", [float("inf"), {"__float__": "Infinity"}])
def test_python_writes_infinity_in_two_ways(infinity, tmp_path):
    folder = tmp_path / "model"
    write(folder, GRANITE_HYBRID, TOKENS[:2])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "time_step_limit": [0.0, infinity]}))
    run, file = run_import(folder, tmp_path / "home")
    assert run.returncode == 0 and file, run.stderr


def test_sections_of_positions_need_not_be_said(tmp_path):
    """llama.cpp asks for them in the file."""
    axes = {key: value for key, value in AXES.items() if key != "mrope_section"}
    expected = write(tmp_path / "model", QWEN35.but(text_config={**QWEN35.config["text_config"], "rope_parameters": axes}), TOKENS)
    run, file = run_import(tmp_path / "model", tmp_path / "home")
    assert run.returncode == 0, run.stderr
    best = peer_logits(file, TOKENS, 0)
    assert max(abs(logit - expected[i, token]) for i, row in enumerate(best) for token, logit in row) < OF_LLAMA_CPP * expected.std()


def test_linear_attention_whose_heads_are_not_whole_blocks_is_refused(tmp_path):
    """Their columns come in another order, and packed values cannot leave their blocks."""
    folder = tmp_path / "model"
    packed(4, 32, family=qwen35("qwen3_5", intermediate_size=256, linear_value_head_dim=48))(folder, TOKENS[:2])
    run, file = run_import(folder, tmp_path / "home")
    assert run.returncode != 0 and "wider than the heads of its linear attention" in run.stderr
    assert file is None


@pytest.mark.parametrize("name", PACKED)
def test_packed_weights(name, tmp_path):
    """The values are those of MLX, except that 6 and 8 bits are rounded to float16. With MLX expressions, which round no activations."""
    expected = PACKED[name](tmp_path / name, FEW)
    difference = np.abs(logits(tmp_path / name, "mlx", 17, FEW) - expected).max() / expected.std()
    print(f"{name} packed: largest difference {difference:.5f}")
    assert difference < (HALF if name in ("6-bits-64", "8-bits-32", "mixed-modes") else ARITHMETIC)
