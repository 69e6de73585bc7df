"""Packed weights of every block type of GGUF: their values, and random ones, also of types that PyPI gguf cannot write."""

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

TYPES = (
    "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0"
).split()

# Where a block keeps its half-precision scales, if not at its beginning. Any other byte of a block may hold anything.
HALVES = {"Q4_1": [0, 2], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "TQ1_0": [52], "TQ2_0": [64]}
# Where there are two, the second scales the minima: how large it must be beside the first, so that random values have a mean of 0.
MINIMA = {"Q4_1": -7.5, "Q5_1": -15.5, "Q2_K": 1.5, "Q4_K": 7.5, "Q5_K": 15.5}


def dequantize(packed, kind):
    """(…, bytes) → (…, values) float32."""
    if kind != GGMLQuantizationType.Q1_0:
        return quants.dequantize(packed, kind).astype(np.float32, copy=False)
    # gguf 0.19.0 knows the size of this type's blocks and no more. ggml: a half d, then 128 bits, the lowest of each byte first; 1 is d, 0 is -d.
    blocks = packed.reshape(-1, 18)
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return np.where(np.unpackbits(blocks[:, 2:], axis=1, bitorder="little"), d, -d).reshape(*packed.shape[:-1], -1)


def put_scales(name, blocks, scales):
    """Gives each block (or of NVFP4, each of its four groups) its scale, as near as the type has it."""
    if name == "MXFP4":
        blocks[:, 0] = np.clip(np.round(np.log2(scales)) + 128, 0, 254)  # E8M0, of doubled values
    elif name == "NVFP4":
        blocks[:, :4] = quants.NVFP4.fp32_to_ue4m3(2 * scales)
    elif name == "IQ1_M":  # four bits in each of four words
        words = blocks[:, 48:56].copy().view(np.uint16)
        halves = scales.astype(np.float16).view(np.uint16)[:, None]
        blocks[:, 48:56] = (words & 0x0FFF | (halves >> np.array([0, 4, 8, 12], np.uint16)) << 12).view(np.uint8)
    else:
        for offset, factor in zip(HALVES.get(name, [0]), (1, MINIMA.get(name))):
            blocks[:, offset : offset + 2] = (scales * factor).astype(np.float16).view(np.uint8).reshape(-1, 2)


def random_blocks(name, n_values, deviation, rng):
    """Bytes of blocks whose values have about this root mean square."""
    kind = GGMLQuantizationType[name]
    values, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (n_values // values, size), dtype=np.uint8)
    shape = (len(blocks), 4) if name == "NVFP4" else len(blocks)
    put_scales(name, blocks, np.ones(shape, np.float32))
    unit = np.sqrt(np.mean(dequantize(blocks, kind).astype(np.float64) ** 2))
    put_scales(name, blocks, (rng.uniform(0.7, 1.3, shape) * deviation / unit).astype(np.float32))
    return blocks
