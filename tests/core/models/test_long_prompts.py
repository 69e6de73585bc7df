"""A prompt of 4,000 tokens, far beyond windows, given in parts: the logits of every position agree with the NumPy reference.

Positions beyond 2,000 make RoPE's angles large and divide the keys among threads; windows of 500, which no block and no part divides, are left
behind several times. Weights are float32, so that only the order of the arithmetic differs and what a cache rounds (test_logits.py says more).
"""

import numpy as np
import pytest
from real_models import COST, LARGEST, VARIANTS, error_of, logits
import random_models  # tests/reference/random_models.py; real_models has put that folder on the path
from forward import Model, Rounding

# Its sixth layer sees everything, the others their windows.
GEMMA3 = random_models.Shape("gemma3", "default", layers=6, dim=64, heads=2, kv_heads=1, head_dim=32, hidden=128, vocabulary=512, rope_base=1e6, window=500, norms_after=True, qk_norm="head", eps=1e-6)
# Without windows and with a float16 cache: test_families.py.
LLAMA = random_models.Shape("llama", "llama-bpe", layers=2, dim=64, heads=2, kv_heads=1, head_dim=32, hidden=128, vocabulary=512, rope_base=5e5, rope_factors=True)

TOKENS = [int(token) for token in np.random.default_rng(3).integers(0, 500, 4000)]
ARITHMETIC = 0.003  # of the logits' standard deviation, as in test_families.py

# Parts are shorter or longer than a window, and leave 4 tokens for the last one; or they are single tokens. For MLX expressions and the plain
# kernels, which are slow, one of these is enough.
RUNS = [("mlx", 1332), ("scalar", 333), *((variant, part) for variant in VARIANTS if variant != "scalar" for part in (333, 1332, 1))]


def write(shape, folder):
    """The model's file and its exact logits."""
    path = folder / f"{shape.architecture}.gguf"
    random_models.write(path, shape, np.float32)
    return path, Model(path, Rounding.CACHE).logits(TOKENS)


@pytest.fixture(scope="module")
def gemma3(tmp_path_factory):
    return write(GEMMA3, tmp_path_factory.mktemp("long"))


@pytest.mark.parametrize(("variant", "part"), RUNS)
def test_logits_of_a_long_prompt_with_windows(gemma3, variant, part):
    path, exact = gemma3
    difference = np.abs(logits(path, variant, part, TOKENS) - exact).max(axis=1) / exact.std()
    print(f"{variant}, {part} at a time: largest difference {difference.max():.5f}, of the last four {difference[-4:].max():.5f}")
    assert difference.max() < ARITHMETIC


@pytest.fixture(scope="module", params=[GEMMA3, LLAMA], ids=["gemma3", "llama"])
def cost_of_a_byte_cache(request, tmp_path_factory):
    """A model, its exact logits, and what the reference loses with a cache of 8 bits. Over so many positions, one pass says as much as several."""
    path, exact = request.getfixturevalue("gemma3") if request.param == GEMMA3 else write(LLAMA, tmp_path_factory.mktemp("long"))
    return path, exact, error_of(Model(path, Rounding.BYTE_CACHE).logits(TOKENS, nudge=1), exact)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cache_of_8_bits_costs_no_more_than_its_rounding(cost_of_a_byte_cache, variant):
    path, exact, (allowed, allowed_largest) = cost_of_a_byte_cache
    cost, largest = error_of(logits(path, variant, 333, TOKENS, "q8_0"), exact)
    print(f"{path.name} {variant}: error {cost:.4f}, largest {largest:.3f}; the reference's {allowed:.4f}, {allowed_largest:.3f}")
    assert allowed > ARITHMETIC  # else this shows nothing
    assert cost < COST * allowed
    assert largest < LARGEST * allowed_largest
