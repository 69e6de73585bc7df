"""Every scalar decoder equals PyPI gguf's on random blocks, bit for bit. MLXR_DEQUANTIZE_TOOL is the command under test."""

import os
import shlex
import subprocess

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K".split()
N_BLOCKS = 5000

# Where a block keeps its half-precision scales. Any other byte of a quantized block may hold anything.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}


def random_blocks(name: str) -> np.ndarray:
    rng = np.random.default_rng(sum(name.encode()))
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    if name == "F32":
        values = rng.integers(0, 2**32, N_BLOCKS, dtype=np.uint32).view(np.float32)
        return values[np.isfinite(values)].view(np.uint8).reshape(-1, size)
    if name in ("F16", "BF16"):
        bits = np.arange(2**16, dtype=np.uint16)  # all of them
        exponent = 0x7C00 if name == "F16" else 0x7F80
        return bits[(bits & exponent) != exponent].view(np.uint8).reshape(-1, size)
    blocks = rng.integers(0, 256, (N_BLOCKS, size), dtype=np.uint8)
    for offset in HALVES[name]:
        halves = rng.integers(0, 2**16, N_BLOCKS, dtype=np.uint16)
        halves[(halves & 0x7C00) == 0x7C00] &= 0x83FF  # infinities and NaN become subnormals and zeros
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    return blocks


@pytest.mark.parametrize("name", TYPES)
def test_equals_gguf_bit_for_bit(name):
    blocks = random_blocks(name)
    kind = GGMLQuantizationType[name]
    expected = quants.dequantize(blocks, kind).astype(np.float32).ravel()
    run = subprocess.run([*shlex.split(os.environ["MLXR_DEQUANTIZE_TOOL"]), str(int(kind))], input=blocks.tobytes(), capture_output=True, check=True)
    actual = np.frombuffer(run.stdout, np.float32)
    assert actual.size == expected.size == len(blocks) * GGML_QUANT_SIZES[kind][0]
    different = np.flatnonzero(actual.view(np.uint32) != expected.view(np.uint32))
    assert different.size == 0, f"value {different[0]}: {actual[different[0]]!r}, gguf has {expected[different[0]]!r}"
