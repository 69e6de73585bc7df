"""Model folders of many families, with the names and the config.json of Hugging Face: logits as those of mlx-lm's own classes.

Weights are float32, as in test_families.py, whose bound this is.
"""

import numpy as np
import pytest
from folder_models import VOCABULARY, Family, write
from real_models import VARIANTS, logits

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

FAMILIES = {
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
    "gemma3": GEMMA3,
    "gemma3-linear": GEMMA3.but(rope_scaling={"rope_type": "linear", "factor": 8.0}),
}

TOKENS = [int(token) for token in np.random.default_rng(1).integers(0, VOCABULARY, 90)]
ARITHMETIC = 0.003  # of the logits' standard deviation


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
