"""Every scalar decoder equals PyPI gguf's on random blocks, bit for bit. MLXR_DEQUANTIZE_TOOL is the command under test."""

import os
import shlex
import subprocess

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

TYPES = (
    "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0"
).split()
N_BLOCKS = 5000

# Where a block keeps its half-precision scales. Any other byte of a quantized block may hold anything. The scale of IQ1_M lies in the upper four bits
# of four words; MXFP4 and NVFP4 have scales of 8 bits.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ1_S": [0], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ4_NL": [0], "IQ4_XS": [0],
    "TQ1_0": [52], "TQ2_0": [64], "Q1_0": [0],
}


# Zeros, the smallest and the largest subnormal, one, the largest number, infinities, NaN.
SPECIAL = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0xFFFF], np.uint16)


def random_blocks(name: str) -> np.ndarray:
    rng = np.random.default_rng(sum(name.encode()))
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    if name == "F32":
        return rng.integers(0, 2**32, N_BLOCKS, dtype=np.uint32).view(np.uint8).reshape(-1, size)
    if name in ("F16", "BF16"):
        return np.arange(2**16, dtype=np.uint16).view(np.uint8).reshape(-1, size)  # all of them
    blocks = rng.integers(0, 256, (N_BLOCKS, size), dtype=np.uint8)
    for offset in HALVES.get(name, []):
        halves = rng.integers(0, 2**16, N_BLOCKS, dtype=np.uint16)
        halves[: len(SPECIAL)] = SPECIAL
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    return blocks


def dequantize(blocks, kind):
    if kind != GGMLQuantizationType.Q1_0:
        with np.errstate(over="ignore", invalid="ignore"):
            return quants.dequantize(blocks, kind)
    # gguf 0.19.0 knows the size of this type's blocks and no more. ggml: a half d, then 128 bits, the lowest of each byte first; 1 is d, 0 is -d.
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return np.where(np.unpackbits(blocks[:, 2:], axis=1, bitorder="little"), d, -d)


@pytest.mark.parametrize("name", TYPES)
def test_equals_gguf_bit_for_bit(name):
    blocks = random_blocks(name)
    kind = GGMLQuantizationType[name]
    expected = dequantize(blocks, kind).astype(np.float32).ravel()
    run = subprocess.run([*shlex.split(os.environ["MLXR_DEQUANTIZE_TOOL"]), str(int(kind))], input=blocks.tobytes(), capture_output=True, check=True)
    actual = np.frombuffer(run.stdout, np.float32)
    assert actual.size == expected.size == len(blocks) * GGML_QUANT_SIZES[kind][0]
    # Which of the NaN a NaN is, depends on the order of factors and matters to nobody.
    different = np.flatnonzero((actual.view(np.uint32) != expected.view(np.uint32)) & ~(np.isnan(actual) & np.isnan(expected)))
    assert different.size == 0, f"value {different[0]}: {actual[different[0]]!r}, gguf has {expected[different[0]]!r}"
