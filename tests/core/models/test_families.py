"""Families that no real model here belongs to: small files with random weights, against the NumPy reference and llama.cpp.

Weights are float32, so that only the order of the arithmetic differs, and an entry of the float16 cache now and then (test_logits.py says more).
"""

import dataclasses
import sys

import numpy as np
import pytest
from real_models import ROOT, VARIANTS, logits
from forward import Model, Rounding  # tests/reference/forward.py
from peer import peer_logits

sys.path.insert(0, str(ROOT / "bench"))
import random_models

QWEN2 = random_models.Shape("qwen2", "qwen2", layers=4, dim=128, heads=4, kv_heads=2, head_dim=32, hidden=320, vocabulary=512, rope_base=1e6, biases=True, eps=1e-6)
LLAMA3 = random_models.Shape("llama", "llama-bpe", layers=4, dim=192, heads=6, kv_heads=2, head_dim=32, hidden=320, vocabulary=512, rope_base=5e5, rope_factors=True)
FAMILIES = {"qwen2": QWEN2, "qwen2-own-head": dataclasses.replace(QWEN2, tied=False), "llama3": LLAMA3}

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


def test_llama_cpp_agrees_with_the_reference(family):
    """So that the two do not share a misreading of the papers."""
    path, expected = family
    best = peer_logits(path, TOKENS, 0)
    assert [row[0][0] for row in best] == expected.argmax(1).tolist()
    difference = max(abs(logit - expected[i, token]) for i, row in enumerate(best) for token, logit in row) / expected.std()
    print(f"{path.name} llama.cpp: largest difference {difference:.5f}")
    assert difference < ARITHMETIC
