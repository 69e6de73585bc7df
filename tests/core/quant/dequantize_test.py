"""Every scalar decoder equals PyPI gguf's on random blocks, bit for bit. MLXR_DEQUANTIZE_TOOL is the command under test."""

import os
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "reference"))
from blocks import HALVES, TYPES, dequantize

N_BLOCKS = 5000

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
    for offset in [] if name in ("IQ1_M", "MXFP4", "NVFP4") else HALVES.get(name, [0]):  # these have no halves in one piece
        halves = rng.integers(0, 2**16, N_BLOCKS, dtype=np.uint16)
        halves[: len(SPECIAL)] = SPECIAL
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    return blocks


@pytest.mark.parametrize("name", ["F32", "F16", "BF16", *TYPES])
def test_equals_gguf_bit_for_bit(name):
    blocks = random_blocks(name)
    kind = GGMLQuantizationType[name]
    with np.errstate(over="ignore", invalid="ignore"):
        expected = dequantize(blocks, kind).ravel()
    run = subprocess.run([*shlex.split(os.environ["MLXR_DEQUANTIZE_TOOL"]), str(int(kind))], input=blocks.tobytes(), capture_output=True, check=True)
    actual = np.frombuffer(run.stdout, np.float32)
    assert actual.size == expected.size == len(blocks) * GGML_QUANT_SIZES[kind][0]
    # Which of the NaN a NaN is, depends on the order of factors and matters to nobody.
    different = np.flatnonzero((actual.view(np.uint32) != expected.view(np.uint32)) & ~(np.isnan(actual) & np.isnan(expected)))
    assert different.size == 0, f"value {different[0]}: {actual[different[0]]!r}, gguf has {expected[different[0]]!r}"
