"""Model folders as Hugging Face publishes them, with random weights, made by mlx-lm's own classes: the oracle of other hands for folders.

mlx-lm is installed without the packages that its programs need (scripts/requirements/oracle.in), so its own __init__, which imports them, is
left out.
"""

import dataclasses
import importlib
import importlib.util
import json
import struct
import sys
import types

import pytest

mx = pytest.importorskip("mlx.core", reason="MLX for Python is not installed (scripts/setup test does it)", exc_type=ImportError)
import mlx.nn as nn  # noqa: E402
import numpy as np  # noqa: E402
from mlx.utils import tree_flatten, tree_unflatten  # noqa: E402

VOCABULARY = 300


class HalfCache:
    """Keys and values as MLXR's cache keeps them: rounded to float16."""

    offset = 0

    def update_and_fetch(self, keys, values):
        return keys.astype(mx.float16).astype(keys.dtype), values.astype(mx.float16).astype(values.dtype)


def mlx_lm(module):
    """mlx_lm.models.MODULE"""
    if "mlx_lm" not in sys.modules:
        package = types.ModuleType("mlx_lm")
        package.__path__ = list(importlib.util.find_spec("mlx_lm").submodule_search_locations)
        sys.modules["mlx_lm"] = package
    return importlib.import_module(f"mlx_lm.models.{module}")


@dataclasses.dataclass(frozen=True)
class Family:
    module: str  # of mlx-lm
    config: dict  # what its class reads
    more: dict = dataclasses.field(default_factory=dict)  # what Hugging Face's config.json has beside it
    gelu_is_tanh: bool = False  # the published models have the approximation with tanh, and mlx-lm has not

    def but(self, more=None, **changes):
        return dataclasses.replace(self, config={**self.config, **changes}, more={**self.more, **(more or {})})


def build(family):
    """The model, with random weights: norms near 1, biases that matter, matrices that keep the size of what they multiply."""
    module = mlx_lm(family.module)
    model = module.Model(module.ModelArgs.from_dict(family.config))
    inner = model.language_model if "text_config" in family.config else model
    if family.config.get("tie_word_embeddings") and hasattr(inner, "sanitize"):
        inner.sanitize({})  # Gemma 3 has a head until it sees weights without one
    adds_one = family.config["model_type"].startswith("gemma")
    random = np.random.default_rng(len(family.module))

    def value(name, array):
        if name.endswith(".bias"):
            spread, mean = 0.3, 0.0
        elif "norm" in name:
            spread, mean = 0.1, 0.0 if adds_one else 1.0
        else:
            spread, mean = array.shape[-1] ** -0.5, 0.0
        return mx.array(random.normal(mean, spread, array.shape).astype(np.float32))

    model.update(tree_unflatten([(name, value(name, array)) for name, array in tree_flatten(model.parameters())]))
    mx.eval(model.parameters())
    return model


def tokenizer():
    """Byte-level BPE with a token for each byte and some for two letters, as `tokenizers` writes it."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    letters.update({byte: chr(256 + i) for i, byte in enumerate(byte for byte in range(256) if byte not in printable)})
    pairs = [(a, b) for a in "aeinorst" for b in "aent"]
    tokens = [letters[byte] for byte in range(256)] + [a + b for a, b in pairs]
    special = {"id": len(tokens), "content": "<|end|>", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
    return {
        "version": "1.0",
        "added_tokens": [special],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {text: i for i, text in enumerate(tokens)}, "merges": [f"{a} {b}" for a, b in pairs], "ignore_merges": False},
    }


def write_description(folder, family):
    (folder / "config.json").write_text(json.dumps({**family.config, **family.more}, indent=2))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))


def logits_of(model, family, tokens):
    """(tokens, vocabulary)"""
    exact = nn.gelu
    try:
        if family.gelu_is_tanh:
            nn.gelu = nn.gelu_approx
        logits = model(mx.array(tokens)[None], cache=[HalfCache() for _ in model.layers])[0]
        mx.eval(logits)
    finally:
        nn.gelu = exact
    return np.array(logits)


def parameters(model):
    return dict(tree_flatten(model.parameters()))


def save(folder, family, weights):
    folder.mkdir()
    write_description(folder, family)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})


def write(folder, family, tokens):
    """Makes the folder, and returns mlx-lm's logits for the tokens."""
    model = build(family)
    weights = parameters(model)
    if "text_config" in family.config:  # as newer folders name them, beside the part that sees
        weights = {name.replace("language_model.model.", "model.language_model."): value for name, value in weights.items()}
        weights["model.vision_tower.patch_embedding.weight"] = mx.zeros((4, 4))
    save(folder, family, weights)
    return logits_of(model, family, tokens)


def write_packed(folder, family, tokens, packing, own=None):
    """The same as mlx-lm's converter packs it; `own` is {a part of a module's name: its packing, or False}."""
    model = build(family)
    said = {}

    def choose(path, module):
        if not hasattr(module, "to_quantized"):
            return False
        for part, its_packing in (own or {}).items():
            if part in path:
                said[path] = its_packing
                return its_packing
        return True

    nn.quantize(model, **packing, class_predicate=choose)
    # Published folders have scales in bfloat16. The oracle computes in float32 with the same values.
    weights = {name: value.astype(mx.bfloat16) if name.endswith((".scales", ".biases")) and value.dtype == mx.float32 else value for name, value in parameters(model).items()}
    model.update(tree_unflatten([(name, value.astype(mx.float32)) for name, value in weights.items() if value.dtype == mx.bfloat16]))
    save(folder, family.but(more={"quantization": {**packing, **said}, "quantization_config": {**packing, **said}}), weights)
    return logits_of(model, family, tokens)


DTYPES = {mx.float32: "F32", mx.bfloat16: "BF16", mx.uint8: "F8_E4M3"}


def write_fp8(folder, family, tokens, scale_shape):
    """The same in 8-bit floats, for each of which scale_shape(rows, columns) gives the shape of its scales: blocks of 128, rows, or all."""
    model = build(family)
    weights, decoded = {}, []
    for name, value in parameters(model).items():
        if not name.endswith("_proj.weight"):
            weights[name] = value
            continue
        rows, columns = value.shape
        shape = scale_shape(rows, columns)
        down, across = (shape + (1, 1))[:2]
        scales = np.random.default_rng(3).uniform(0.01, 0.02, (down, across)).astype(np.float32)
        each = np.repeat(np.repeat(scales, -(-rows // down) if down > 1 else rows, 0)[:rows], -(-columns // across) if across > 1 else columns, 1)[:, :columns]
        bits = mx.to_fp8(value / mx.array(each))
        weights[name] = bits
        weights[name + ("_scale_inv" if across > 1 else "_scale")] = mx.array(scales.reshape(shape))
        decoded.append((name, (mx.from_fp8(bits, dtype=mx.float32) * mx.array(each)).astype(mx.bfloat16).astype(mx.float32)))
    model.update(tree_unflatten(decoded))
    folder.mkdir()
    write_description(folder, family.but(more={"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}))
    write_safetensors(folder / "model.safetensors", {name: (DTYPES[value.dtype], value.shape, bytes(memoryview(np.array(value)).cast("B"))) for name, value in weights.items()})
    return logits_of(model, family, tokens)


def write_safetensors(path, tensors):
    """Of {name: (dtype, shape, bytes)}."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
