"""Families that no real model here belongs to: small files with random weights, against the NumPy reference or llama.cpp, or both.

Weights are float32, so that only the order of the arithmetic differs, and an entry of the float16 cache now and then (test_logits.py says more).
"""

import dataclasses
import math

import numpy as np
import pytest
from real_models import COST, LARGEST, VARIANTS, error_of, logits
import random_models  # tests/reference/random_models.py; real_models has put that folder on the path
from forward import Model, Rounding
from peer import peer_logits

QWEN2 = random_models.Shape("qwen2", "qwen2", layers=4, dim=128, heads=4, kv_heads=2, head_dim=32, hidden=320, vocabulary=512, rope_base=1e6, biases=True, eps=1e-6)
LLAMA3 = random_models.Shape("llama", "llama-bpe", layers=4, dim=192, heads=6, kv_heads=2, head_dim=32, hidden=320, vocabulary=512, rope_base=5e5, rope_factors=True)
LLAMA = dataclasses.replace(LLAMA3, rope_factors=False)
# A window shorter than the text, and a global layer among the local ones.
GEMMA3 = random_models.Shape("gemma3", "default", layers=7, dim=128, heads=4, kv_heads=1, head_dim=64, hidden=256, vocabulary=512, rope_base=1e6, window=16, norms_after=True, qk_norm="head", eps=1e-6)


LONG = dataclasses.replace(LLAMA, layers=2, dim=64, heads=2, kv_heads=1, hidden=128)


def keyed(shape, *keys, without=()):
    return dataclasses.replace(shape, keys=keys, without=without)


FAMILIES = {
    "qwen2": QWEN2,
    "qwen2-own-head": dataclasses.replace(QWEN2, tied=False),
    "llama3": LLAMA3,
    "llama-biases": dataclasses.replace(LLAMA, all_biases=True),  # as Granite Code and Bielik have them
    "gemma3": GEMMA3,
    "gemma3-irregular": keyed(GEMMA3, ("attention.sliding_window_pattern", "add_array", [True, False, False, True, True, False, True])),
    "gemma3-scaled": keyed(GEMMA3, ("rope.scaling.type", "add_string", "linear"), ("rope.scaling.factor", "add_float32", 8.0)),
    # RoPE scaling in all its spellings
    "linear": keyed(LLAMA, ("rope.scaling.type", "add_string", "linear"), ("rope.scaling.factor", "add_float32", 4.0)),
    "linear-by-default": keyed(LLAMA, ("rope.scaling.factor", "add_float32", 4.0)),
    "linear-the-old-way": keyed(LLAMA, ("rope.scale_linear", "add_float32", 4.0)),
    "none": keyed(LLAMA, ("rope.scaling.type", "add_string", "none"), ("rope.scaling.factor", "add_float32", 4.0)),
    "factor-1": keyed(LLAMA, ("rope.scaling.type", "add_string", "yarn"), ("rope.scaling.factor", "add_float32", 1.0)),
    # A part of each head is rotated, and values are not as wide as keys.
    "half-rotated": dataclasses.replace(QWEN2, rotated=16),
    "narrow-values": dataclasses.replace(QWEN2, head_dim=64, value_dim=32),
    # one number for each layer
    "layers-differ": dataclasses.replace(LLAMA, layer_heads=((6, 2, 320), (4, 4, 192), (6, 1, 256), (2, 2, 320))),
    "arrays": keyed(
        LLAMA,
        ("attention.head_count", "add_array", [LLAMA.heads] * LLAMA.layers),
        ("attention.head_count_kv", "add_array", [LLAMA.kv_heads] * LLAMA.layers),
        ("feed_forward_length", "add_array", [LLAMA.hidden] * LLAMA.layers),
    ),
    # features by name, switched off
    "off": keyed(LLAMA, ("attention.causal", "add_bool", True), ("final_logit_softcapping", "add_float32", 0.0), ("expert_count", "add_uint32", 0), ("tensor_data_layout", "add_string", "Meta AI original pth")),
}

# It asserts that heads of these architectures are rotated as a whole and have values as wide as keys, and that their layers are alike.
NOT_FOR_LLAMA_CPP = {"half-rotated", "narrow-values", "layers-differ"}

# Families that the NumPy reference does not know. Vectors of the models' own shapes where the shape matters.
YARN = (
    ("rope.scaling.type", "add_string", "yarn"),
    ("rope.scaling.factor", "add_float32", 16.0),
    ("rope.scaling.original_context_length", "add_uint32", 64),
)
PLAIN = random_models.Shape("qwen3", "qwen2", layers=4, dim=128, heads=4, kv_heads=2, head_dim=32, hidden=320, vocabulary=512, rope_base=1e4)
COHERE = dataclasses.replace(PLAIN, architecture="command-r", pretokenizer="command-r", layer_norms=True, parallel=True)
STABLELM = dataclasses.replace(PLAIN, architecture="stablelm", layer_norms=True, norm_biases=True, rotated=8, tied=False)


def of(architecture, **changes):
    return dataclasses.replace(PLAIN, architecture=architecture, **changes)


def factors(name, seed):
    """A tensor of factors of PLAIN's frequencies."""
    return f"rope_{name}.weight", (16,), 0.3, 2.0 + seed


def expert_width(width):
    return (("expert_feed_forward_length", "add_uint32", width),)


CHOSEN_BY_SIGMOID = ("expert_gating_func", "add_uint32", 2), ("expert_weights_norm", "add_bool", True), ("expert_weights_scale", "add_float32", 1.5)
SECTIONS = ("rope.dimension_sections", "add_array", [6, 5, 5, 0])
QWEN35 = of(
    "qwen35",
    recurrence=random_models.Recurrence("delta", attention=(3,), taps=4, heads=6, key_heads=2, key_dim=32, value_dim=32),
    qk_norm="head",
    gated=True,
    mlp_norm="post_attention_norm",
    rotated=16,
    keys=(("rope.dimension_sections", "add_array", [3, 3, 2, 0]),),
)
GRANITE = of(
    "granite",
    keys=(("attention.scale", "add_float32", 0.1), ("embedding_scale", "add_float32", 6.0), ("logit_scale", "add_float32", 4.0), ("residual_scale", "add_float32", 0.4)),
)
GEMMA4 = of(
    "gemma4",
    layers=6,
    gemma4=True,
    layer_inputs=24,
    norms_after=True,
    qk_norm="head",
    q_norm_mean=0.4,
    window=16,
    keys=(("rope.freq_base_swa", "add_float32", 1e4), ("final_logit_softcapping", "add_float32", 3.0)),
    extra=(("rope_freqs.weight", (32,), 0.3, 2.0),),
)
UNREAD_KEYS = [(f"blk.4.{name}.weight", dimensions, 0.1, 0.0) for name, dimensions in (("attn_k", (2 * GEMMA4.head_dim, GEMMA4.dim)), ("attn_v", (2 * GEMMA4.head_dim, GEMMA4.dim)), ("attn_k_norm", (GEMMA4.head_dim,)))]
# llama.cpp has in its source that the first 20 layers have keys of their own, and how many gates the first 10 keep. It divides the deviation of
# the gates by one less than their number, which is little beside a thousand.
GEMMA3N = of(
    "gemma3n",
    layers=23,
    hidden=2048,
    layer_inputs=256,
    streams=4,
    bypass=64,
    norms_after=True,
    qk_norm="head",
    q_norm_mean=0.4,
    part_mean=0.3,
    window=16,
    keys=(
        ("activation_sparsity_scale", "add_array", [1.6448533535003662] * 10 + [-math.inf] * 13),
        ("altup.active_idx", "add_uint32", 0),
        ("altup.num_inputs", "add_uint32", 4),
        ("attention.shared_kv_layers", "add_uint32", 3),
        ("attention.sliding_window_pattern", "add_array", [i % 5 != 4 for i in range(23)]),
        ("embedding_length_per_layer_input", "add_uint32", 256),
    ),
)
NEMOTRON = of(
    "nemotron_h",
    recurrence=random_models.Recurrence("mamba2", attention=(1,), taps=4, heads=8, key_heads=2, key_dim=64, value_dim=32),
    single_parts=True,
    plain_mlp=True,
    layer_heads=((4, 0, 0), (4, 2, 0), (4, 0, 320), (4, 0, 0)),
    keys=(("attention.layer_norm_epsilon", "add_float32", 1e-5),),
    tied=False,
)
FALCON_H1 = of("falcon-h1", bare=tuple(f"blk.{i}.ffn_norm" for i in range(4)), recurrence=random_models.Recurrence("mamba2", attention=(), taps=4, heads=8, key_heads=2, key_dim=64, value_dim=32, beside=True, norm=False))
LATENT = random_models.Latent(64, key_dim=32, rotated=16, value_dim=24, query=48)
DEEPSEEK2 = of(
    "deepseek2",
    latent=LATENT,
    experts=random_models.Experts(6, 3, 96, shared=96, dense=1),
    keys=(
        ("expert_feed_forward_length", "add_uint32", 96),
        ("expert_shared_count", "add_uint32", 1),
        ("leading_dense_block_count", "add_uint32", 1),
        ("expert_weights_scale", "add_float32", 1.5),
    ),
    tied=False,
)
GLM4MOE = of(
    "glm4moe",
    experts=random_models.Experts(6, 2, 96, shared=96, selection_bias=True, dense=1),
    keys=(
        ("expert_feed_forward_length", "add_uint32", 96),
        ("expert_shared_count", "add_uint32", 1),
        ("expert_weights_norm", "add_bool", True),
        ("expert_weights_scale", "add_float32", 1.5),
        ("leading_dense_block_count", "add_uint32", 1),
    ),
    rotated=16,
    qk_norm="head",
    mlp_norm="post_attention_norm",
    biases=True,
)
LFM2 = of("lfm2", final_norm="token_embd_norm", recurrence=random_models.Recurrence("shortconv", attention=(2,), taps=3), qk_norm="head")

AGAINST_LLAMA_CPP = {
    "qwen3": of("qwen3", qk_norm="head"),
    "qwen2-yarn": of("qwen2", keys=YARN),
    "qwen2-yarn-of-its-context": of("qwen2", keys=YARN[:2]),
    "mistral3": of("mistral3", keys=(*YARN, ("rope.scaling.yarn_log_multiplier", "add_float32", 1.0), ("attention.temperature_scale", "add_float32", 0.5))),
    "internlm2": of("internlm2", tied=False),
    "smollm3": of("smollm3"),
    "granite": GRANITE,
    "granite-without-positions": dataclasses.replace(GRANITE, keys=(*GRANITE.keys, ("rope.scaling.finetuned", "add_bool", False))),
    "phi3": of("phi3", fused=True, rotated=24, tied=False),
    "phi3-short": of("phi3", fused=True, keys=(("rope.scaling.original_context_length", "add_uint32", 16384), ("rope.scaling.attn_factor", "add_float32", 1.2)), extra=(factors("factors_long", 1), factors("factors_short", 2))),
    "phi3-long": of("phi3", fused=True, keys=(("rope.scaling.original_context_length", "add_uint32", 256), ("rope.scaling.attn_factor", "add_float32", 1.2)), extra=(factors("factors_long", 1), factors("factors_short", 2))),
    "phi4-mini": of("phi3", fused=True, rotated=24, keys=(("rope.scaling.original_context_length", "add_uint32", 256), ("rope.scaling.attn_factor", "add_float32", 1.2)), extra=(("rope_factors_long.weight", (12,), 0.3, 3.0), ("rope_factors_short.weight", (12,), 0.3, 2.0))),
    "glm4": of("glm4", fused=True, rotated=16, norms_after=True, biases=True, tied=False),
    "gemma": of("gemma", head_dim=48),
    "gemma2": of("gemma2", norms_after=True, window=16, keys=(("attn_logit_softcapping", "add_float32", 2.0), ("final_logit_softcapping", "add_float32", 3.0))),
    "gemma2-as-it-was": of("gemma2", norms_after=True, window=16),  # its first files name no caps (llama.cpp pull request 8197)
    "gemma2-27b": of("gemma2", layers=46, hidden=64, head_dim=48, norms_after=True, part_mean=0.3, keys=(("attn_logit_softcapping", "add_float32", 2.0), ("final_logit_softcapping", "add_float32", 3.0)), window=16),
    "gemma4": GEMMA4,
    "gemma4-without-a-cap": dataclasses.replace(GEMMA4, part_mean=0.3, without=("final_logit_softcapping",)),
    "gemma4-without-inputs": dataclasses.replace(GEMMA4, layer_inputs=0),
    "gemma4-experts": dataclasses.replace(
        GEMMA4, layer_inputs=0, experts=random_models.Experts(6, 2, 96), keys=(*GEMMA4.keys, ("expert_feed_forward_length", "add_uint32", 96))
    ),
    # as converters write it: layers that read the keys and values of others have matrices of their own too
    "gemma4-unread-keys": dataclasses.replace(GEMMA4, extra=(*GEMMA4.extra, *UNREAD_KEYS)),
    "gemma3n": GEMMA3N,
    "olmoe": of("olmoe", kv_heads=4, experts=random_models.Experts(8, 3, 320), qk_norm="whole", tied=False),
    "llama4": of("llama4", rope_factors=True, rotated=32, experts=random_models.Experts(5, 1, 96, shared=96), keys=(*expert_width(96), ("interleave_moe_layer_step", "add_uint32", 1))),
    "llama4-128-experts": of("llama4", experts=random_models.Experts(128, 1, 32, shared=32), keys=(*expert_width(32), ("interleave_moe_layer_step", "add_uint32", 1))),
    "llama4-in-turns": of("llama4", experts=random_models.Experts(5, 1, 96, shared=96, every=2), keys=(*expert_width(96), ("interleave_moe_layer_step", "add_uint32", 2))),
    "ernie4_5": of("ernie4_5"),
    "ernie4_5-moe": of(
        "ernie4_5-moe",
        experts=random_models.Experts(6, 2, 96, shared=96, selection_bias=True, dense=1),
        keys=(*expert_width(96), ("expert_shared_feed_forward_length", "add_uint32", 96), ("interleave_moe_layer_step", "add_uint32", 1), ("leading_dense_block_count", "add_uint32", 1)),
    ),
    "hunyuan-dense": of("hunyuan-dense", qk_norm="head"),
    "hunyuan-moe": of(
        "hunyuan-moe", qk_norm="head", experts=random_models.Experts(6, 2, 320, shared=160), keys=(*expert_width(320), ("expert_shared_feed_forward_length", "add_uint32", 160))
    ),
    "seed_oss": of("seed_oss", biases=True, mlp_norm="post_attention_norm", tied=False),
    "arcee": of("arcee", plain_mlp=True, tied=False),
    "afmoe": of(
        "afmoe",
        gated=True,
        separate_gate=True,
        qk_norm="head",
        norms_after=True,
        window=16,
        experts=random_models.Experts(6, 2, 96, shared=96, selection_bias=True, dense=1),
        keys=(*expert_width(96), *CHOSEN_BY_SIGMOID, ("expert_shared_count", "add_uint32", 1), ("leading_dense_block_count", "add_uint32", 1)),
        tied=False,
    ),
    "apertus": of(
        "apertus",
        plain_mlp=True,
        qk_norm="head",
        tied=False,
        global_keys=tuple((f"xielu.{name}", "add_array", values) for name, values in (("alpha_n", [0.3, 0.8, -0.5, 1.2]), ("alpha_p", [0.8, 0.2, 1.0, -0.4]), ("beta", [0.5] * 4), ("eps", [-1e-6] * 4))),
    ),
    "exaone": of("exaone", tied=False),
    "exaone-moe": of(
        "exaone-moe",
        experts=random_models.Experts(6, 2, 96, shared=96, selection_bias=True, dense=1),
        keys=(*expert_width(96), *CHOSEN_BY_SIGMOID, ("expert_shared_count", "add_uint32", 1), ("leading_dense_block_count", "add_uint32", 1)),
        qk_norm="head",
        window=16,
        tied=False,
    ),
    "minicpm": of(
        "minicpm", keys=(("embedding_scale", "add_float32", 12.0), ("logit_scale", "add_float32", 0.5), ("residual_scale", "add_float32", 0.4))
    ),
    "minicpm3": of("minicpm3", latent=random_models.Latent(64, key_dim=32, rotated=16, value_dim=32, query=48, absorbed=False)),
    "minimax-m2": of(
        "minimax-m2", qk_norm="whole", rotated=16, experts=random_models.Experts(8, 3, 320, selection_bias=True), keys=(*expert_width(320), ("expert_gating_func", "add_uint32", 2)), tied=False
    ),
    "dots1": of(
        "dots1",
        kv_heads=4,
        experts=random_models.Experts(6, 2, 96, shared=192, selection_bias=True, dense=1),
        keys=(*expert_width(96), *CHOSEN_BY_SIGMOID, ("expert_shared_count", "add_uint32", 2), ("leading_dense_block_count", "add_uint32", 1)),
        qk_norm="head",
        tied=False,
    ),
    "bailingmoe2": of(
        "bailingmoe2",
        experts=random_models.Experts(8, 3, 96, shared=96, selection_bias=True, dense=1),
        keys=(
            *expert_width(96),
            *CHOSEN_BY_SIGMOID,
            ("expert_group_count", "add_uint32", 4),
            ("expert_group_used_count", "add_uint32", 2),
            ("expert_shared_count", "add_uint32", 1),
            ("leading_dense_block_count", "add_uint32", 1),
        ),
        qk_norm="head",
        rotated=16,
        fused=True,
        fused_gates=False,
        tied=False,
    ),
    "deepseek": of(
        "deepseek",
        experts=random_models.Experts(6, 3, 96, shared=192, dense=1),
        keys=(*expert_width(96), ("expert_shared_count", "add_uint32", 2), ("expert_weights_scale", "add_float32", 1.0), ("leading_dense_block_count", "add_uint32", 1)),
        tied=False,
    ),
    "chatglm": of("chatglm", fused=True, biases=True, rotated=16, tied=False),
    "glm4-along-axes": of("glm4", fused=True, rotated=16, norms_after=True, keys=(("rope.dimension_sections", "add_array", [4, 2, 2, 0]),), tied=False),
    "falcon": of("falcon", layer_norms=True, norm_biases=True, parallel=True, plain_mlp=True, fused=True),
    "phi2": of("phi2", layer_norms=True, norm_biases=True, parallel=True, plain_mlp=True, all_biases=True, rotated=16, tied=False, extra=(("output.bias", (512,), 0.5, 0.0),)),
    "nemotron": of("nemotron", layer_norms=True, norm_biases=True, plain_mlp=True, rotated=16, tied=False),
    "olmo2": of("olmo2", norms_before=False, norms_after=True, qk_norm="whole", tied=False),
    "olmo3": of("olmo2", norms_before=False, norms_after=True, qk_norm="whole", tied=False, window=16, keys=YARN),
    "exaone4": of("exaone4", norms_before=False, norms_after=True, qk_norm="head"),
    "qwen2vl": of("qwen2vl", biases=True, keys=(SECTIONS,)),
    "qwen3vl": of("qwen3vl", qk_norm="head", keys=(SECTIONS, ("n_deepstack_layers", "add_uint32", 2))),
    "qwen3vlmoe": of(
        "qwen3vlmoe",
        qk_norm="head",
        experts=random_models.Experts(8, 3, 96),
        keys=(SECTIONS, ("n_deepstack_layers", "add_uint32", 2), ("expert_feed_forward_length", "add_uint32", 96)),
        tied=False,
    ),
    "mixtral": of("llama", experts=random_models.Experts(5, 2, 320)),
    "qwen2moe": of(
        "qwen2moe",
        experts=random_models.Experts(6, 3, 96, shared=160, shared_router=True),
        keys=(("expert_feed_forward_length", "add_uint32", 96), ("expert_shared_feed_forward_length", "add_uint32", 160)),
        biases=True,
        tied=False,
    ),
    "qwen3moe": of("qwen3moe", qk_norm="head", experts=random_models.Experts(8, 3, 96), keys=(("expert_feed_forward_length", "add_uint32", 96),), tied=False),
    "qwen3moe-one-of-many": of("qwen3moe", layers=2, qk_norm="head", experts=random_models.Experts(300, 1, 32), keys=expert_width(32), tied=False),
    "granitemoe": of(
        "granitemoe",
        experts=random_models.Experts(4, 2, 320, shared=64),
        keys=(("logit_scale", "add_float32", 4.0), ("residual_scale", "add_float32", 0.4), ("expert_shared_feed_forward_length", "add_uint32", 64)),
    ),
    "gpt-oss": of(
        "gpt-oss",
        experts=random_models.Experts(4, 2, 96, biases=True),
        keys=(*YARN, ("expert_feed_forward_length", "add_uint32", 96)),
        sinks=True,
        mlp_norm="post_attention_norm",
        all_biases=True,
        window=16,
        head_dim=64,
        tied=False,
    ),
    "glm4moe": GLM4MOE,
    "glm4moe-along-axes": dataclasses.replace(GLM4MOE, keys=(*GLM4MOE.keys, ("rope.dimension_sections", "add_array", [4, 2, 2, 0]))),
    "qwen3next": of(
        "qwen3next",
        recurrence=random_models.Recurrence("delta", attention=(3,), taps=4, heads=6, key_heads=2, key_dim=32, value_dim=32),
        qk_norm="head",
        gated=True,
        mlp_norm="post_attention_norm",
        rotated=16,
        experts=random_models.Experts(6, 3, 96, shared=96, shared_router=True),
        keys=(("expert_feed_forward_length", "add_uint32", 96), ("expert_shared_feed_forward_length", "add_uint32", 96)),
        tied=False,
    ),
    "qwen35": QWEN35,
    "qwen35moe": dataclasses.replace(
        QWEN35,
        architecture="qwen35moe",
        experts=random_models.Experts(6, 3, 96, shared=96, shared_router=True),
        keys=(*QWEN35.keys, ("expert_feed_forward_length", "add_uint32", 96), ("expert_shared_feed_forward_length", "add_uint32", 96)),
    ),
    "lfm2": LFM2,
    "lfm2moe": dataclasses.replace(
        LFM2,
        architecture="lfm2moe",
        experts=random_models.Experts(6, 3, 96, selection_bias=True, dense=1),
        keys=(("expert_feed_forward_length", "add_uint32", 96), ("leading_dense_block_count", "add_uint32", 1), ("expert_gating_func", "add_uint32", 2)),
    ),
    "granitehybrid": of(
        "granitehybrid",
        recurrence=random_models.Recurrence("mamba2", attention=(2,), taps=4, heads=8, key_heads=1, key_dim=64, value_dim=32),
        experts=random_models.Experts(4, 2, 320, shared=64),
        keys=(
            ("attention.scale", "add_float32", 0.1),
            ("embedding_scale", "add_float32", 6.0),
            ("logit_scale", "add_float32", 4.0),
            ("residual_scale", "add_float32", 0.4),
            ("expert_shared_feed_forward_length", "add_uint32", 64),
        ),
    ),
    "falcon-h1": FALCON_H1,
    "falcon-h1-with-norms": dataclasses.replace(FALCON_H1, recurrence=dataclasses.replace(FALCON_H1.recurrence, norm=True)),
    "nemotron_h": NEMOTRON,
    "nemotron_h_moe": dataclasses.replace(
        NEMOTRON,
        architecture="nemotron_h_moe",
        experts=random_models.Experts(6, 2, 96, shared=160, selection_bias=True),
        keys=(
            *NEMOTRON.keys,
            ("expert_feed_forward_length", "add_uint32", 96),
            ("expert_shared_feed_forward_length", "add_uint32", 160),
            ("expert_shared_count", "add_uint32", 1),
            ("expert_weights_norm", "add_bool", True),
            ("expert_weights_scale", "add_float32", 1.5),
        ),
    ),
    "deepseek2": DEEPSEEK2,
    "deepseek2-lite": dataclasses.replace(DEEPSEEK2, layers=27, latent=dataclasses.replace(LATENT, query=0)),  # llama.cpp knows it by its layers
    "deepseek2-as-it-was": dataclasses.replace(DEEPSEEK2, latent=dataclasses.replace(LATENT, value_dim=32, absorbed=False)),
    "deepseek2-yarn": dataclasses.replace(DEEPSEEK2, keys=(*DEEPSEEK2.keys, *YARN, ("rope.scaling.yarn_log_multiplier", "add_float32", 0.0707))),
    "deepseek3": dataclasses.replace(
        DEEPSEEK2,
        experts=random_models.Experts(8, 3, 96, shared=96, selection_bias=True, dense=1),
        keys=(
            *DEEPSEEK2.keys,
            ("expert_gating_func", "add_uint32", 2),
            ("expert_weights_norm", "add_bool", True),
            ("expert_group_count", "add_uint32", 4),
            ("expert_group_used_count", "add_uint32", 2),
        ),
    ),
    "starcoder2": of("starcoder2", layer_norms=True, norm_biases=True, plain_mlp=True, all_biases=True),
    "stablelm": STABLELM,
    "stablelm-parallel": dataclasses.replace(STABLELM, parallel=True, qk_norm="each", keys=(("use_parallel_residual", "add_bool", True),)),
    "command-r": dataclasses.replace(COHERE, keys=(("logit_scale", "add_float32", 0.4),)),
    "cohere2": dataclasses.replace(COHERE, architecture="cohere2", keys=(("logit_scale", "add_float32", 0.4),), window=16),
}

TOKENS = [int(token) for token in np.random.default_rng(1).integers(0, 500, 90)]
ARITHMETIC = 0.003  # of the logits' standard deviation, as for the real models; measured below 0.0006


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("random") / f"{request.param}.gguf"
    random_models.write(path, FAMILIES[request.param], np.float32)
    return path, Model(path, Rounding.CACHE).logits(TOKENS)


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_logits_agree_with_the_reference(family, variant):
    path, expected = family
    difference = np.abs(logits(path, variant, 17, TOKENS) - expected).max() / expected.std()
    print(f"{path.name} {variant}: largest difference {difference:.5f}")
    assert difference < ARITHMETIC


@pytest.fixture(scope="module", params=["llama3", "gemma3"])
def cost_of_a_byte_cache(request, tmp_path_factory):
    """A model, its exact logits, and what the reference loses with a cache of 8 bits. Heads of 32 and of 64 values, a window, both pairings of RoPE."""
    path = tmp_path_factory.mktemp("random") / f"{request.param}.gguf"
    random_models.write(path, FAMILIES[request.param], np.float32)
    exact = Model(path, Rounding.CACHE).logits(TOKENS)
    rounding = Model(path, Rounding.BYTE_CACHE)
    return path, exact, np.mean([error_of(rounding.logits(TOKENS, nudge), exact) for nudge in (1, 2, 3)], axis=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cache_of_8_bits_costs_no_more_than_its_rounding(cost_of_a_byte_cache, variant):
    """Both programs round at the same places, but a difference in the seventh digit makes another whole number now and then: test_logits.py says more."""
    path, exact, (allowed, allowed_largest) = cost_of_a_byte_cache
    cost, largest = error_of(logits(path, variant, 17, TOKENS, "q8_0"), exact)
    print(f"{path.name} {variant}: error {cost:.4f}, largest {largest:.3f}; the reference's {allowed:.4f}, {allowed_largest:.3f}")
    assert allowed > ARITHMETIC  # else this shows nothing
    assert cost < COST * allowed
    assert largest < LARGEST * allowed_largest


@pytest.fixture(scope="module")
def long_text(tmp_path_factory):
    tokens = [int(token) for token in np.random.default_rng(2).integers(0, 500, 4 * 1050 + 4)]
    path = tmp_path_factory.mktemp("random") / "long.gguf"
    random_models.write(path, LONG, np.float32)
    return path, tokens, Model(path, Rounding.CACHE).logits(tokens)


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_logits_far_into_a_text(long_text, variant):
    """Positions in the thousands: RoPE's angles are large there, and the pack divides the keys among threads. The last 4 tokens are a step of their own."""
    path, tokens, expected = long_text
    difference = np.abs(logits(path, variant, 1050, tokens) - expected).max(axis=1) / expected.std()
    print(f"{variant}: largest difference {difference.max():.5f}, of the last four {difference[-4:].max():.5f}")
    assert difference.max() < ARITHMETIC


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in NOT_FOR_LLAMA_CPP], indirect=True)
def test_llama_cpp_agrees_with_the_reference(family):
    """So that the two do not share a misreading of the papers."""
    path, expected = family
    best = peer_logits(path, TOKENS, 0)
    assert [row[0][0] for row in best] == expected.argmax(1).tolist()
    difference = max(abs(logit - expected[i, token]) for i, row in enumerate(best) for token, logit in row) / expected.std()
    print(f"{path.name} llama.cpp: largest difference {difference:.5f}")
    assert difference < ARITHMETIC


@pytest.fixture(scope="module", params=AGAINST_LLAMA_CPP)
def other_family(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("random") / f"{request.param}.gguf"
    random_models.write(path, AGAINST_LLAMA_CPP[request.param], np.float32)
    return path, peer_logits(path, TOKENS, 0)


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_logits_agree_with_llama_cpp(other_family, variant):
    path, best = other_family
    ours = logits(path, variant, 17, TOKENS)
    difference = max(abs(logit - ours[i, token]) for i, row in enumerate(best) for token, logit in row) / ours.std()
    print(f"{path.name} {variant}: largest difference {difference:.5f}")
    assert difference < ARITHMETIC
    chosen = [row[0][0] for row in best]
    assert (ours[range(len(chosen)), chosen] >= ours.max(1) - ARITHMETIC * ours.std()).all()
