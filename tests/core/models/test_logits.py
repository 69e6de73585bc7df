"""Logits of the real models agree with the independent NumPy forward pass, on MLX expressions and on every variant of the kernel pack.

Differences are parts of the logits' standard deviation. Two are expected:

- Arithmetic in another order, and with it an entry of the cache now and then the next float16: ARITHMETIC. Everything that rounds
  nothing on purpose must stay within it: MLX expressions on the real files, and the pack on the same weights as float32.
- The pack rounds activations to 8 bits before a product with packed weights, as llama.cpp does. After some five products a difference in
  the last bit of a float32 has become as large as the rounding itself (near a half, it makes another whole number), so that two correct
  programs, or the reference twice with its input changed in the seventh digit, agree no better than each agrees with the exact pass.
  What is left to compare is the size: the pack may cost what the reference itself loses when it rounds in the same places, and no more.
"""

import functools

import numpy as np
import pytest
from real_models import COST, GEMMA3, LARGEST, SMOLLM2, VARIANTS, error_of, logits, require, write_float32_copy
from forward import Model, Rounding  # tests/reference/forward.py

ARITHMETIC = 0.003  # measured: SmolLM2 0.0015 (MLX) and 0.0006 (pack), Gemma 3 0.0010 and 0.0012
CHUNK = 17


class Case:
    def __init__(self, path, tokens):
        self.path, self.tokens = path, tokens
        self.exact = Model(path, Rounding.CACHE).logits(tokens)
        self.scale = self.exact.std()

    def error(self, got):
        return error_of(got, self.exact)

    @functools.cached_property
    def cost_of_rounding(self):
        """The same, of the reference when it rounds."""
        model = Model(self.path, Rounding.PACK)
        return np.mean([self.error(model.logits(self.tokens, nudge)) for nudge in (1, 2, 3)], axis=0)


@pytest.fixture(scope="module", params=[SMOLLM2, GEMMA3], ids=["smollm2", "gemma3"])
def real(request):
    name, tokens = request.param
    return Case(require(name), tokens)


@pytest.fixture(scope="module", params=[SMOLLM2, GEMMA3], ids=["smollm2", "gemma3"])
def decoded(request, tmp_path_factory):
    name, tokens = request.param
    path = tmp_path_factory.mktemp("decoded") / name
    write_float32_copy(require(name), path, layers=6)  # Gemma 3's sixth is its first that sees everything
    yield Case(path, tokens)
    path.unlink()  # up to 800 MB


def test_mlx_expressions_agree(real):
    _, largest = real.error(logits(real.path, "mlx", CHUNK, real.tokens))
    print(f"{real.path.name} mlx: largest difference {largest:.4f}")
    assert largest < ARITHMETIC


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pack_agrees_where_nothing_is_rounded(decoded, variant):
    _, largest = decoded.error(logits(decoded.path, variant, CHUNK, decoded.tokens))
    print(f"{decoded.path.name} as float32, {variant}: largest difference {largest:.4f}")
    assert largest < ARITHMETIC


# Many at a time are panels of decoded weights, one at a time streamed rows; the scalar variant's own rows are slow, and its kernels' tests enough.
@pytest.mark.parametrize(("variant", "chunk"), [(variant, chunk) for variant in VARIANTS for chunk in (CHUNK, 1) if (variant, chunk) != ("scalar", 1)])
def test_the_pack_costs_no_more_than_its_rounding(real, variant, chunk):
    got = logits(real.path, variant, chunk, real.tokens)
    (cost, largest), (allowed, allowed_largest) = real.error(got), real.cost_of_rounding
    print(f"{real.path.name} {variant}, {chunk} at a time: error {cost:.4f}, largest {largest:.2f}; the reference's {allowed:.4f}, {allowed_largest:.2f}")
    assert cost < COST * allowed
    assert largest < LARGEST * allowed_largest
    # The most likely token changes only where the exact pass has a second one so near that rounding can lift it over the first.
    rows, first, other = np.arange(len(got)), real.exact.argmax(1), got.argmax(1)
    lead = (real.exact[rows, first] - real.exact[rows, other]) / real.scale
    assert lead.max() < LARGEST * allowed_largest
