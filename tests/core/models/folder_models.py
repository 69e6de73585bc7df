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
from collections.abc import Callable

import pytest

mx = pytest.importorskip("mlx.core", reason="MLX for Python is not installed (scripts/setup test does it)", exc_type=ImportError)
import mlx.nn as nn  # noqa: E402
import numpy as np  # noqa: E402
from mlx.utils import tree_flatten, tree_unflatten  # noqa: E402

VOCABULARY = 300


def caches(model):
    """One for each layer: keys and values as MLXR keeps them, and mlx-lm's own for states."""
    if model.model_type == "deepseek_v2":
        for layer in model.layers:
            layer.self_attn.kv_a_layernorm.__class__ = HalfNorm
        return [RotatedHalfCache(model.args.qk_rope_head_dim) for _ in model.layers]
    own = model.make_cache() if hasattr(model, "make_cache") else [None] * len(model.layers)
    return [cache if type(cache).__name__ == "ArraysCache" else HalfCache() for cache in own]


class HalfCache:
    """Keys and values as MLXR's cache keeps them: rounded to float16."""

    offset = 0

    def update_and_fetch(self, keys, values):
        self.kept = keys.astype(mx.float16).astype(keys.dtype), values.astype(mx.float16).astype(values.dtype)
        return self.kept

    def keys_and_values(self):
        """For a layer that has none of its own."""
        return self.kept


class HalfNorm(nn.RMSNorm):
    """Of a latent row, which MLXR's cache keeps in the place of the keys and values that are made of it."""

    def __call__(self, x):
        return super().__call__(x).astype(mx.float16).astype(x.dtype)


class RotatedHalfCache(HalfCache):
    """Beside the latent row, a cache has the part of a key that is rotated, which is its last."""

    def __init__(self, rotated):
        self.rotated = rotated

    def update_and_fetch(self, keys, values):
        row, rotated = mx.split(keys, [-self.rotated], axis=-1)
        return mx.concatenate([row, rotated.astype(mx.float16).astype(keys.dtype)], axis=-1), values


def models_of(package, module):
    """PACKAGE.models.MODULE"""
    for name in {"mlx_lm", package} - sys.modules.keys():
        alone = types.ModuleType(name)
        alone.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
        sys.modules[name] = alone
    return importlib.import_module(f"{package}.models.{module}")


def mlx_lm(module):
    """mlx_lm.models.MODULE"""
    return models_of("mlx_lm", module)


@dataclasses.dataclass(frozen=True)
class Family:
    module: str  # of `package`
    config: dict  # what its class reads
    more: dict = dataclasses.field(default_factory=dict)  # what Hugging Face's config.json has beside it
    gelu_is_tanh: bool = False  # the published models have the approximation with tanh, and mlx-lm has not
    published: Callable[[dict], dict] | None = None  # mlx-lm's tensors as the model's publisher names and orders them
    package: str = "mlx_lm"  # or mlx_embeddings

    def but(self, more=None, published=None, **changes):
        return dataclasses.replace(self, config={**self.config, **changes}, more={**self.more, **(more or {})}, published=published or self.published)


def build(family):
    """The model, with random weights: norms near 1, biases that matter, matrices that keep the size of what they multiply."""
    module = models_of(family.package, family.module)
    model = module.Model(module.ModelArgs.from_dict(family.config))
    if family.config.get("tie_word_embeddings") and family.module.startswith("gemma3"):
        (model.language_model if "text_config" in family.config else model).sanitize({})  # Gemma 3 has a head until it sees weights without one
    adds_one = family.config["model_type"] in ("gemma", "gemma2", "gemma3_text", "gemma3")
    random = np.random.default_rng(len(family.module))

    def value(name, array):
        if name.endswith(".bias"):
            spread, mean = 0.3, 0.0
        elif "norm" in name:
            spread, mean = 0.1, 0.0 if adds_one else 1.0
            if family.module.startswith(("gemma3n", "gemma4")) and name.endswith(("q_norm.weight", "k_norm.weight")):
                mean = 0.4  # as its scores are not scaled
        elif name.endswith((".D", "_scalar", "_scale")):
            spread, mean = 0.2, 1.0
        elif name.endswith(("router.scale", "_correction_bias")):
            spread, mean = 0.5, 4.0
        elif name.endswith("A_log"):
            spread, mean = 0.3, 0.0
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
        logits = model(mx.array(tokens)[None], cache=caches(model))[0]
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


def experts_one_by_one(weights, stack, one, parts):
    """Of {name: value}: the experts' tensors, which mlx-lm stacks, as a tensor for each of them."""
    result = {}
    for name, value in weights.items():
        before, _, part = name.partition(f".{stack}.")
        if not part:
            result[name] = value
            continue
        module, _, last = part.partition(".")
        result |= {f"{before}.{one.format(i)}.{parts[module]}.{last}": value[i] for i in range(value.shape[0])}
    return result


def of_qwen(weights):
    return experts_one_by_one(weights, "switch_mlp", "experts.{}", {name: name for name in ("gate_proj", "up_proj", "down_proj")})


def channels_first(weights):
    """A convolution's taps as PyTorch has them, after the dimension of the one channel that each is of."""
    return {name: value.transpose(0, 2, 1) if ".conv" in name and value.ndim == 3 else value for name, value in weights.items()}


def of_lfm2_moe(weights):
    """Experts one by one, and the names that are InternLM's too."""
    weights = experts_one_by_one(weights, "switch_mlp", "experts.{}", {name: name for name in ("gate_proj", "up_proj", "down_proj")})
    for name, other in (("gate_proj", "w1"), ("down_proj", "w2"), ("up_proj", "w3")):
        weights = {key.replace(f".{name}.", f".{other}."): value for key, value in weights.items()}
    return channels_first(weights)


def less_one(weights):
    """Norms as Qwen3-Next and Qwen3.5 have them, except that of linear attention."""
    return {name: value - 1 if "norm" in name and "linear_attn" not in name else value for name, value in channels_first(weights).items()}


def of_qwen3_next(weights):
    return {**less_one(of_qwen(weights)), "mtp.fc.weight": mx.zeros((4, 4))}


def alone(weights):
    """Names of a language model that is not a part of another."""
    return {name.removeprefix("language_model."): value for name, value in weights.items()}


def of_qwen35_text(weights):
    """The language model by itself."""
    return alone(less_one(weights))


def with_fused_experts(weights, gate_and_up, down, stack="switch_mlp", change=lambda value: value):
    """The stacks of experts under other names: one with the rows of the gate before those of what it opens, and one of what goes down."""
    result = {name: value for name, value in weights.items() if f".{stack}." not in name}
    for name in weights:
        before, found, _ = name.partition(f".{stack}.gate_proj.weight")
        if found:
            stacked = {part: weights[f"{before}.{stack}.{part}_proj.weight"] for part in ("gate", "up", "down")}
            result[f"{before}.{gate_and_up}"] = change(mx.concatenate([stacked["gate"], stacked["up"]], axis=1))
            result[f"{before}.{down}"] = change(stacked["down"])
    return result


def of_qwen35_moe(weights):
    """Under names without a last part."""
    return less_one(with_fused_experts(weights, "experts.gate_up_proj", "experts.down_proj"))


def of_mixtral(weights):
    return experts_one_by_one(weights, "switch_mlp", "experts.{}", {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"})


def of_glm4(weights):
    """With a layer that predicts a further token, which is not part of the model."""
    return {**of_qwen(weights), "model.layers.4.enorm.weight": mx.zeros((4,)), "model.layers.4.mlp.gate.weight": mx.zeros((4, 4))}


def of_granite(weights):
    return with_fused_experts(weights, "input_linear.weight", "output_linear.weight")


def of_granite_hybrid(weights):
    """The feed-forward part of all tokens has another name where it is the only one, and gate and what it opens in one matrix."""
    weights = of_granite(channels_first(weights))
    for name in [name for name in weights if name.endswith(".mlp.gate_proj.weight")]:
        before = name.removesuffix(".mlp.gate_proj.weight")
        gate, up, down = (weights.pop(f"{before}.mlp.{part}_proj.weight") for part in ("gate", "up", "down"))
        weights |= {f"{before}.shared_mlp.input_linear.weight": mx.concatenate([gate, up]), f"{before}.shared_mlp.output_linear.weight": down}
    return weights


def of_nemotron(weights):
    """With layers that predict a further token, which are not part of the model."""
    weights = experts_one_by_one(channels_first(weights), "switch_mlp", "experts.{}", {"fc1": "up_proj", "fc2": "down_proj"})
    return {**weights, "mtp.layers.0.eh_proj.weight": mx.zeros((4, 4))}


def of_deepseek(weights):
    """The matrix that makes keys and values of the latent row, which mlx-lm divides, and turns the part of the keys."""
    weights = of_qwen(weights)
    for name in [name for name in weights if name.endswith(".embed_q.weight")]:
        before = name.removesuffix(".embed_q.weight")
        keys, values = weights.pop(name).transpose(0, 2, 1), weights.pop(f"{before}.unembed_out.weight")
        weights[f"{before}.kv_b_proj.weight"] = mx.concatenate([keys, values], axis=1).reshape(-1, keys.shape[-1])
    return weights


def of_gemma4(weights):
    """With matrices that nobody reads, of a layer that has its keys and values from another."""
    return {**weights, "language_model.model.layers.4.self_attn.k_proj.weight": mx.zeros((4, 4))}


def of_gemma3n(weights):
    """With the parts that see and hear."""
    return {**weights, "model.audio_tower.conformer.0.norm.weight": mx.zeros((4,)), "model.embed_audio.embedding.weight": mx.zeros((4, 4)), "model.embed_vision.embedding.weight": mx.zeros((4, 4))}


def of_gemma3n_text(weights):
    """The language model by itself."""
    return {name.replace("model.language_model.", "model."): value for name, value in weights.items()}


def of_gemma4_experts(weights):
    return with_fused_experts(weights, "gate_up_proj", "down_proj", "switch_glu")


def of_qwen3_vl_moe(weights):
    """Stacks of experts with their rows as columns."""
    return with_fused_experts(weights, "experts.gate_up_proj", "experts.down_proj", change=lambda value: value.transpose(0, 2, 1))


def of_gpt_oss(weights):
    """The experts' matrices in MXFP4, with a row of the gate and one of what it opens in turn."""
    in_turn = lambda gate, up: mx.stack([gate, up], axis=2).reshape(gate.shape[0], 2 * gate.shape[1], *gate.shape[2:])  # noqa: E731
    blocks = lambda packed: packed.view(mx.uint8).reshape(*packed.shape[:2], -1, 16)  # noqa: E731
    result = {name: value for name, value in weights.items() if ".mlp.experts." not in name}
    for name in weights:
        before, found, _ = name.partition(".gate_proj.weight")
        if not found:
            continue
        of = {(part, last): weights[f"{before}.{part}_proj.{last}"] for part in ("gate", "up", "down") for last in ("weight", "scales", "bias")}
        for last, end, change in (("weight", "_blocks", blocks), ("scales", "_scales", lambda same: same), ("bias", "_bias", lambda same: same)):
            result[f"{before}.gate_up_proj{end}"] = in_turn(change(of["gate", last]), change(of["up", last]))
            result[f"{before}.down_proj{end}"] = change(of["down", last])
    return result


def as_published(family, weights):
    """Also with the names of newer folders, where the language model is beside the part that sees."""
    if family.published:
        weights = family.published(weights)
    if {**family.config, **family.more}.get("text_config"):
        weights = {name.replace("language_model.model.", "model.language_model."): value for name, value in weights.items()}
        weights["model.vision_tower.patch_embedding.weight"] = mx.zeros((4, 4))
    return weights


def write(folder, family, tokens):
    """Makes the folder, and returns mlx-lm's logits for the tokens."""
    model = build(family)
    save(folder, family, as_published(family, parameters(model)))
    return logits_of(model, family, tokens)


def write_packed(folder, family, tokens, packing, own=None):
    """The same as mlx-lm's converter packs it; `own` is {a part of a module's name: its packing, or False}, "" for all others."""
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
    if family.published:
        family, weights = family.but(more={"quantization_config": {"quant_method": packing["mode"], "modules_to_not_convert": ["model.layers.*.self_attn"]}}), family.published(weights)
    else:
        family = family.but(more={"quantization": {**packing, **said}, "quantization_config": {**packing, **said}})
    save(folder, family, weights)
    return logits_of(model, family, tokens)


def write_bf16(folder, family):
    """The folder that a publisher has: weights in bfloat16."""
    weights = {name: value.astype(mx.bfloat16) for name, value in parameters(build(family)).items()}
    save(folder, family, as_published(family, weights))


def load_packed(folder, family):
    """The model of an MLX folder as mlx-lm loads it, with the numbers that are not packed in float32."""
    module = models_of(family.package, family.module)
    config = json.loads((folder / "config.json").read_text())
    weights = {name: value for file in folder.glob("model*.safetensors") for name, value in mx.load(str(file)).items()}
    model = module.Model(module.ModelArgs.from_dict(family.config))
    if hasattr(model, "sanitize"):
        weights = model.sanitize(weights)
    nn.quantize(model, **config["quantization"], class_predicate=lambda path, one: hasattr(one, "to_quantized") and f"{path}.scales" in weights)
    model.load_weights([(name, value.astype(mx.float32) if value.dtype == mx.bfloat16 else value) for name, value in weights.items()])
    mx.eval(model.parameters())
    return model


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
