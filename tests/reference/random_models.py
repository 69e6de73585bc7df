"""Models with random weights, for tests of families without a real model here, and for benchmarks, whose speed depends only on the shape.

    random_models.py SHAPE [TYPE] [--quantize "PROGRAM WORDS"]       # writes the model unless it exists, and prints its path

The same seed gives the same file. Weights are normal with variance 1 / inputs, so that activations keep their size and logits come out near 1.
The vocabulary has the right number of tokens and merges of two letters: any text can be read, and the answers mean nothing.
Files are kept outside the repo, in $XDG_CACHE_HOME/mlxr-bench; every type other than F16 is made from the F16 file by PROGRAM WORDS IN OUT TYPE.
"""

import argparse
import dataclasses
import math
import os
import pathlib
import shlex
import string
import subprocess
import zlib

import numpy as np
from gguf import GGUFWriter, TokenType

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mlxr-bench"
RECIPE = 1  # part of a file's name: count it up when the same shape and seed no longer give the same bytes


@dataclasses.dataclass(frozen=True)
class Experts:
    count: int
    used: int
    hidden: int
    shared: int = 0  # width of an expert that all tokens take
    shared_router: bool = False
    selection_bias: bool = False
    biases: bool = False  # of the router and the experts
    dense: int = 0  # layers without experts, at the beginning
    every: int = 1  # of the others, the layers with a number that this divides have them, counted from 1


@dataclasses.dataclass(frozen=True)
class Recurrence:
    kind: str  # "shortconv", "delta" (the gated delta rule) or "mamba2"
    attention: tuple  # the layers that have attention
    taps: int
    heads: int = 0
    key_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    beside: bool = False  # each layer has both
    norm: bool = True

    def keys(self):
        if self.kind == "shortconv":
            return {"shortconv.l_cache": ("add_uint32", self.taps)}
        numbers = {"conv_kernel": self.taps, "inner_size": self.heads * self.value_dim, "state_size": self.key_dim, "time_step_rank": self.heads, "group_count": self.key_heads}
        return {f"ssm.{name}": ("add_uint32", number) for name, number in numbers.items()}


@dataclasses.dataclass(frozen=True)
class Latent:
    """Attention over latent rows. `key_dim` is without the rotated part."""

    width: int
    key_dim: int
    rotated: int
    value_dim: int
    query: int = 0  # queries are made from so many values; 0: from all
    absorbed: bool = True

    def keys(self):
        own = {"key_length": self.key_dim + self.rotated, "value_length": self.value_dim}
        absorbed = {"key_length": self.width + self.rotated, "value_length": self.width} | {f"{name}_mla": value for name, value in own.items()}
        sizes = {"kv_lora_rank": self.width} | ({"q_lora_rank": self.query} if self.query else {}) | (absorbed if self.absorbed else own)
        return {f"attention.{name}": ("add_uint32", value) for name, value in sizes.items()} | {"rope.dimension_count": ("add_uint32", self.rotated)}


@dataclasses.dataclass(frozen=True)
class Encoder:
    positions: bool = False  # a table of them
    types: int = 0  # rows of the table of token types
    norms_sums: bool = False  # in place of norms before
    first_norm: bool = True  # of the first layer
    final_norm: bool = False


@dataclasses.dataclass(frozen=True)
class Shape:
    architecture: str
    pretokenizer: str
    layers: int
    dim: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    rope_base: float = 10000.0
    rope_factors: bool = False  # those of Llama 3.1 and later
    biases: bool = False  # of queries, keys and values
    all_biases: bool = False  # of every matrix of a layer
    keys: tuple = ()  # more metadata: (name after the architecture, GGUFWriter's method, value)
    without: tuple = ()  # keys that are left out
    value_dim: int = 0  # of one head; 0: as wide as its key
    rotated: int = 0  # values of a head that RoPE rotates; 0: all
    layer_heads: tuple = ()  # (heads, KV heads, hidden) of each layer, where they differ
    window: int = 0  # of local layers
    layer_norms: bool = False  # in place of root mean square norms
    norm_biases: bool = False
    norms_before: bool = True
    norms_after: bool = False
    part_mean: float = 1.0  # of their weights: less where many layers would make much of a rounding
    qk_norm: str = ""  # "head": one for all heads; "each": one for each head; "whole": over all heads together
    parallel: bool = False  # attention and MLP read the same norm
    plain_mlp: bool = False  # without a gate
    experts: Experts | None = None
    recurrence: Recurrence | None = None
    latent: Latent | None = None
    encoder: Encoder | None = None
    single_parts: bool = False  # a layer without hidden values (layer_heads) has a mixer alone, one with them an MLP alone
    gated: bool = False  # attention has a gate
    separate_gate: bool = False  # which is a tensor of its own
    global_keys: tuple = ()  # keys without the architecture
    gemma4: bool = False  # layers with another head size where they see everything, without values there, and the last two without keys too
    layer_inputs: int = 0  # values of each layer's own input
    streams: int = 1  # copies of the residual stream
    bypass: int = 0  # rank of a second way around attention
    q_norm_mean: float = 1.0  # less where the scores are not scaled
    sinks: bool = False
    mlp_norm: str = "ffn_norm"
    bare: tuple = ()  # names that do not end in ".weight"
    final_norm: str = "output_norm"
    fused: bool = False  # queries, keys and values are one tensor, gate and up another
    fused_gates: bool = True  # the latter
    extra: tuple = ()  # more tensors: (name, dimensions, standard deviation, mean)
    tied: bool = True  # the embeddings are the output head
    context: int = 8192
    eps: float = 1e-5


# Of a small Gemma 4: the layers that see everything, and the first that has no keys of its own.
GEMMA4_GLOBAL, GEMMA4_OWN = (2, 5), 3

SHAPES = {
    "smollm2-135m": Shape("llama", "smollm", 30, 576, 9, 3, 64, 1536, 49152, rope_base=1e5),
    "qwen2-0.5b": Shape("qwen2", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, rope_base=1e6, biases=True, context=32768, eps=1e-6),
    "llama3.2-1b": Shape("llama", "llama-bpe", 16, 2048, 32, 8, 64, 8192, 128256, rope_base=5e5, rope_factors=True, context=131072),
    "llama3.2-3b": Shape("llama", "llama-bpe", 28, 3072, 24, 8, 128, 8192, 128256, rope_base=5e5, rope_factors=True, context=131072),
    "qwen3-0.6b": Shape("qwen3", "qwen2", 28, 1024, 16, 8, 128, 3072, 151936, rope_base=1e6, qk_norm="head", context=40960, eps=1e-6),
    "qwen3.5-0.8b": Shape(
        "qwen35", "qwen2", 24, 1024, 8, 2, 256, 3584, 248320, rope_base=1e7, rotated=64, qk_norm="head", gated=True, mlp_norm="post_attention_norm", context=262144, eps=1e-6,
        recurrence=Recurrence("delta", tuple(range(3, 24, 4)), taps=4, heads=16, key_heads=16, key_dim=128, value_dim=128),
        keys=(("rope.dimension_sections", "add_array", [11, 11, 10, 0]),),
    ),
    "lfm2-350m": Shape(
        "lfm2", "smollm", 16, 1024, 16, 8, 64, 4608, 65536, rope_base=1e6, qk_norm="head", final_norm="token_embd_norm", context=128000,
        recurrence=Recurrence("shortconv", (2, 5, 8, 10, 12, 14), taps=3),
    ),
    # Fewer layers and experts, and less vocabulary, than the real ones, of their sizes.
    "qwen3-4b-small": Shape("qwen3", "qwen2", 9, 2560, 32, 8, 128, 9728, 65536, rope_base=1e6, qk_norm="head", context=40960, eps=1e-6),
    "qwen3moe-small": Shape(
        "qwen3moe", "qwen2", 12, 2048, 32, 4, 128, 6144, 151936, rope_base=1e6, qk_norm="head", context=40960, eps=1e-6, tied=False,
        experts=Experts(16, 8, 768), keys=(("expert_feed_forward_length", "add_uint32", 768),),
    ),
    "gpt-oss-small": Shape(
        "gpt-oss", "gpt-4o", 6, 2880, 64, 8, 64, 2880, 65536, rope_base=1.5e5, sinks=True, mlp_norm="post_attention_norm", all_biases=True, window=128, tied=False, context=131072,
        experts=Experts(8, 4, 2880, biases=True),
        keys=(
            ("expert_feed_forward_length", "add_uint32", 2880), ("rope.scaling.type", "add_string", "yarn"),
            ("rope.scaling.factor", "add_float32", 32.0), ("rope.scaling.original_context_length", "add_uint32", 4096),
        ),
    ),
}


def tensors(shape):
    """(name, dimensions, standard deviation, mean) of each, in the file's order. Matrices are (outputs, inputs)."""
    def matrix(name, n, k):
        return name + ".weight", (n, k), 1 / math.sqrt(k), 0.0

    def norm(name, dimensions=(shape.dim,), mean=1.0):
        yield name + (".weight" if name not in shape.bare else ""), dimensions, 0.1, mean
        if shape.norm_biases:
            yield name + ".bias", dimensions, 0.1, 0.0

    def matrices(name, k, *rows, biased=False, fused=shape.fused):
        """Matrices of k columns, each with its name and rows; fused ones are one matrix."""
        if fused and len(rows) > 1:
            rows = [(name, sum(n for _, n in rows))]
        for stem, n in rows:
            yield matrix(stem, n, k)
            if biased or shape.all_biases:
                yield stem + ".bias", (n,), 0.5, 0.0

    def mlp(block, hidden):
        gates = () if shape.plain_mlp else ((block + "ffn_gate", hidden),)
        yield from matrices(block + "ffn_up", shape.dim, *gates, (block + "ffn_up", hidden), fused=shape.fused and shape.fused_gates)
        yield from matrices("", hidden, (block + "ffn_down", shape.dim))

    encoder = shape.encoder or Encoder(final_norm=True)
    yield matrix("token_embd", shape.vocabulary, shape.dim)
    if shape.encoder:
        yield from norm("token_embd_norm")
    for name, rows in ("position_embd", shape.context * encoder.positions), ("token_types", encoder.types):
        if rows:
            yield name + ".weight", (rows, shape.dim), 0.5, 0.0
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        heads, kv_heads, hidden = shape.layer_heads[layer] if shape.layer_heads else (shape.heads, shape.kv_heads, shape.hidden)
        head_dim = shape.head_dim * 2 if shape.gemma4 and layer in GEMMA4_GLOBAL else shape.head_dim
        q, k, value_dim = heads * head_dim, kv_heads * head_dim, shape.value_dim or head_dim
        if shape.norms_before and (layer > 0 or encoder.first_norm):
            yield from norm(block + "attn_norm")
        if encoder.norms_sums:
            yield from norm(block + "attn_output_norm")
            yield from norm(block + "layer_output_norm")
        if shape.single_parts and hidden:
            yield from experts(shape, block) if shape.experts else mlp(block, hidden)
            continue
        recurrent = shape.recurrence and layer not in shape.recurrence.attention
        if recurrent:
            yield from recurrence(shape, block)
        if shape.latent:
            yield from latent(shape, block)
        elif not recurrent or shape.recurrence.beside:
            of_heads = (block + "attn_q", q * (2 if shape.gated and not shape.separate_gate else 1)), (block + "attn_k", k), (block + "attn_v", kv_heads * value_dim)
            if shape.gemma4:
                of_heads = of_heads[: 1 if layer >= GEMMA4_OWN else 2 if layer in GEMMA4_GLOBAL else 3]
            yield from matrices(block + "attn_qkv", shape.dim, *of_heads, biased=shape.biases)
            if shape.separate_gate:
                yield from matrices("", shape.dim, (block + "attn_gate", heads * value_dim))
            yield from matrices("", heads * value_dim, (block + "attn_output", shape.dim))
        if shape.single_parts:
            continue
        if shape.norms_before and not shape.parallel:
            yield from norm(block + shape.mlp_norm)
        if shape.sinks:
            yield block + "attn_sinks.weight", (heads,), 1.0, 0.0
        if shape.qk_norm and not recurrent:
            for name, n in (("attn_q_norm", heads), ("attn_k_norm", kv_heads))[: 1 if shape.gemma4 and layer >= GEMMA4_OWN else 2]:
                dimensions = {"head": (head_dim,), "each": (n, shape.head_dim), "whole": (n * shape.head_dim,)}[shape.qk_norm]
                yield block + name + ".weight", dimensions, 0.1, shape.q_norm_mean
        if shape.norms_after:
            yield from norm(block + "post_attention_norm", mean=shape.part_mean)
            yield from norm(block + "post_ffw_norm", mean=shape.part_mean)
        if shape.layer_inputs:
            yield matrix(block + "inp_gate", shape.layer_inputs, shape.dim)
            yield matrix(block + "proj", shape.dim, shape.layer_inputs)
            yield from norm(block + "post_norm")
        if shape.streams > 1:
            yield from streams(shape, block)
        if shape.gemma4:
            yield block + "layer_output_scale.weight", (1,), 0.1, 0.8
        if shape.gemma4 and shape.experts:
            yield from mlp(block, hidden)
            yield from experts(shape, block)
            yield block + "ffn_gate_inp.scale", (shape.dim,), 1.0, 4.0
            yield block + "ffn_down_exps.scale", (shape.experts.count,), 0.2, 1.0
            for name in "post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2":
                yield from norm(block + name)
            continue
        if shape.experts and layer >= shape.experts.dense and (layer + 1) % shape.experts.every == 0:
            yield from experts(shape, block)
            continue
        yield from mlp(block, hidden)
    if shape.layer_inputs:
        width = shape.layers * shape.layer_inputs
        yield matrix("per_layer_token_embd", shape.vocabulary, width)
        yield matrix("per_layer_model_proj", width, shape.dim)
        yield from norm("per_layer_proj_norm", (shape.layer_inputs,))
    if shape.streams > 1:
        for name in "altup_proj", "altup_unembd_proj":
            yield name + ".weight", (shape.streams - 1, shape.dim, shape.dim), 1 / math.sqrt(shape.dim), 0.0
    if encoder.final_norm:
        yield from norm(shape.final_norm)
    if not shape.tied:
        yield matrix("output", shape.vocabulary, shape.dim)
    yield from shape.extra


def streams(shape, block):
    n, dim, rank = shape.streams, shape.dim, shape.bypass
    for name, rows, columns in ("altup_router", n, dim), ("altup_predict_coef", n * n, n), ("altup_correct_coef", n, n), ("laurel_l", rank, dim), ("laurel_r", dim, rank):
        yield f"{block}{name}.weight", (rows, columns), 0.3 if columns == n else 1 / math.sqrt(columns), 0.0
    yield block + "altup_router_norm.weight", (dim,), 1.0, 10.0  # its output is divided by the width
    yield block + "altup_correct_scale.weight", (dim,), 0.1, 1.0
    yield block + "laurel_post_norm.weight", (dim,), 0.1, 1.0


def latent(shape, block):
    it, heads = shape.latent, shape.heads
    width = it.key_dim + it.rotated
    matrices = {"attn_q_a": (it.query, shape.dim), "attn_q_b": (heads * width, it.query)} if it.query else {"attn_q": (heads * width, shape.dim)}
    matrices |= {"attn_kv_a_mqa": (it.width + it.rotated, shape.dim), "attn_output": (shape.dim, heads * it.value_dim)}
    if it.absorbed:
        matrices |= {"attn_k_b": (heads, it.width, it.key_dim), "attn_v_b": (heads, it.value_dim, it.width)}
    else:
        matrices["attn_kv_b"] = heads * (it.key_dim + it.value_dim), it.width
    for name, dimensions in matrices.items():
        yield f"{block}{name}.weight", dimensions, 1 / math.sqrt(dimensions[-1]), 0.0
    for name, n in ("attn_q_a_norm", it.query), ("attn_kv_a_norm", it.width):
        if n:
            yield f"{block}{name}.weight", (n,), 0.1, 1.0


def recurrence(shape, block):
    it, dim = shape.recurrence, shape.dim
    if it.kind == "shortconv":
        for name, n in ("in_proj", 3 * dim), ("out_proj", dim):
            yield f"{block}shortconv.{name}.weight", (n, dim), 1 / math.sqrt(dim), 0.0
        yield block + "shortconv.conv.weight", (dim, it.taps), 0.6, 0.0
        return
    inner, columns = it.heads * it.value_dim, it.heads * it.value_dim + 2 * it.key_heads * it.key_dim
    inputs = {"delta": {"attn_qkv": columns, "attn_gate": inner, "ssm_beta": it.heads, "ssm_alpha": it.heads}, "mamba2": {"ssm_in": inner + columns + it.heads}}[it.kind]
    if shape.architecture == "qwen3next":
        del inputs["ssm_beta"], inputs["ssm_alpha"]
        inputs["ssm_ba"] = 2 * it.heads
    for name, n in inputs.items():
        yield block + name + ".weight", (n, dim), 1 / math.sqrt(dim), 0.0
    yield block + "ssm_conv1d.weight", (columns, it.taps), 0.5, 0.0
    column = (it.heads,) if it.kind == "delta" else (it.heads, 1)
    if it.kind == "mamba2":
        yield block + "ssm_conv1d.bias", (columns,), 0.1, 0.0
        yield block + "ssm_d", column, 0.3, 1.0
    yield block + "ssm_dt.bias", (it.heads,), 0.5, 0.0
    yield block + "ssm_a", column, 0.2, -1.0
    if it.norm:
        yield block + "ssm_norm.weight", (it.value_dim,) if it.kind == "delta" else (it.key_heads, inner // it.key_heads), 0.1, 1.0
    yield block + "ssm_out.weight", (dim, inner), 1 / math.sqrt(inner), 0.0


def experts(shape, block):
    mix = shape.experts
    for name, n, k in (("gate", mix.hidden, shape.dim), ("up", mix.hidden, shape.dim), ("down", shape.dim, mix.hidden))[shape.plain_mlp :]:
        yield f"{block}ffn_{name}_exps.weight", (mix.count, n, k), 1 / math.sqrt(k), 0.0
        if mix.biases:
            yield f"{block}ffn_{name}_exps.bias", (mix.count, n), 0.5, 0.0
        if mix.shared:
            rows, columns = (mix.shared if size == mix.hidden else size for size in (n, k))
            yield f"{block}ffn_{name}_shexp.weight", (rows, columns), 1 / math.sqrt(columns), 0.0
    yield block + "ffn_gate_inp.weight", (mix.count, shape.dim), 3 / math.sqrt(shape.dim), 0.0
    if mix.biases:
        yield block + "ffn_gate_inp.bias", (mix.count,), 0.5, 0.0
    if mix.selection_bias:
        yield block + "exp_probs_b.bias", (mix.count,), 0.3, 0.0
    if mix.shared_router:
        yield block + "ffn_gate_inp_shexp.weight", (shape.dim,), 1 / math.sqrt(shape.dim), 0.0


def rope_factors(shape, factor=32, low=1, high=4, trained=8192):
    """Llama 3.1's: wavelengths over trained / low are stretched by the factor, those under trained / high are left, and between them is a ramp."""
    frequency = shape.rope_base ** (-np.arange(0, shape.head_dim, 2) / shape.head_dim)
    ramp = np.clip((trained * frequency / (2 * np.pi) - low) / (high - low), 0, 1)
    return (1 / ((1 - ramp) / factor + ramp)).astype(np.float32)


def values(name, dimensions, deviation, mean, seed, dtype):
    """Drawn in pieces, for some tensors are larger than what they should take of the memory."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    out = np.empty(math.prod(dimensions), dtype)
    for piece in np.array_split(out, max(1, out.size >> 22)):
        piece[:] = generator.standard_normal(piece.size, np.float32) * np.float32(deviation) + np.float32(mean)
    return out.reshape(dimensions)


def add_tokenizer(writer, shape):
    """Byte-level BPE: the bytes, pairs of letters as long as there is room, names of nothing, one special token."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(byte) for byte in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]
    pairs = [(a, b) for a in string.ascii_lowercase for b in string.ascii_lowercase][: shape.vocabulary - 257]
    tokens = letters + [a + b for a, b in pairs]
    tokens += [f"token{i}" for i in range(len(tokens), shape.vocabulary - 1)] + ["<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(shape.pretokenizer)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.NORMAL] * (len(tokens) - 1) + [TokenType.CONTROL])
    writer.add_token_merges([a + " " + b for a, b in pairs])
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)


def add_description(writer, shape):
    keys = {
        "block_count": ("add_uint32", shape.layers),
        "context_length": ("add_uint32", shape.context),
        "embedding_length": ("add_uint32", shape.dim),
        "feed_forward_length": ("add_uint32", shape.hidden),
        "attention.head_count": ("add_uint32", shape.heads),
        "attention.head_count_kv": ("add_uint32", shape.kv_heads),
        "attention.key_length": ("add_uint32", shape.head_dim),
        "attention.value_length": ("add_uint32", shape.value_dim or shape.head_dim),
        "rope.dimension_count": ("add_uint32", shape.rotated or shape.head_dim),
        "rope.freq_base": ("add_float32", shape.rope_base),
        f"attention.layer_norm_{'' if shape.layer_norms else 'rms_'}epsilon": ("add_float32", shape.eps),
        "vocab_size": ("add_uint32", shape.vocabulary),
    }
    if shape.layer_heads:
        for i, name in enumerate(("attention.head_count", "attention.head_count_kv", "feed_forward_length")):
            keys[name] = ("add_array", [layer[i] for layer in shape.layer_heads])
    if shape.gemma4:
        keys |= {f"attention.{name}_length": ("add_uint32", 2 * shape.head_dim) for name in ("key", "value")}
        keys |= {f"attention.{name}_length_swa": ("add_uint32", shape.head_dim) for name in ("key", "value")}
        keys |= {"rope.dimension_count": ("add_uint32", 2 * shape.head_dim), "rope.dimension_count_swa": ("add_uint32", shape.head_dim)}
        keys["attention.shared_kv_layers"] = ("add_uint32", shape.layers - GEMMA4_OWN)
        keys["attention.sliding_window_pattern"] = ("add_array", [layer not in GEMMA4_GLOBAL for layer in range(shape.layers)])
        keys["embedding_length_per_layer_input"] = ("add_uint32", shape.layer_inputs)
    if shape.window:
        keys["attention.sliding_window"] = ("add_uint32", shape.window)
    if shape.experts:
        keys["expert_count"] = ("add_uint32", shape.experts.count)
        keys["expert_used_count"] = ("add_uint32", shape.experts.used)
    if shape.recurrence:
        keys |= shape.recurrence.keys()
        if shape.recurrence.kind != "delta" and not shape.recurrence.beside:
            keys["attention.head_count_kv"] = ("add_array", [shape.kv_heads if i in shape.recurrence.attention else 0 for i in range(shape.layers)])
    if shape.latent:
        keys |= shape.latent.keys()
        keys["attention.head_count_kv"] = ("add_uint32", 1 if shape.latent.absorbed else shape.heads)
    keys |= {name: (method, value) for name, method, value in shape.keys}
    for name, method, value in shape.global_keys:
        getattr(writer, method)(name, value)
    for name, (method, value) in keys.items():
        if name not in shape.without:
            getattr(writer, method)(f"{shape.architecture}.{name}", value)


def write_head(path, shape, dtype):
    """All that stands before the data. Returns the writer, and what follows: [(name, dimensions, deviation, mean, dtype)]."""
    writer = GGUFWriter(path, shape.architecture)
    writer.add_name("random weights")
    writer.add_file_type(1 if dtype == np.float16 else 0)
    add_description(writer, shape)
    add_tokenizer(writer, shape)
    if shape.encoder and shape.encoder.types:
        writer.add_token_type_count(shape.encoder.types)

    plan = [(*tensor, np.dtype(np.float32 if len(tensor[1]) == 1 or any(part in tensor[0] for part in ("norm", "bias", "conv", "ssm_a", "ssm_d", "scale")) else dtype)) for tensor in tensors(shape)]
    for name, dimensions, _, _, kind in plan:
        writer.add_tensor_info(name, dimensions, kind, math.prod(dimensions) * kind.itemsize)
    if shape.rope_factors:
        factors = rope_factors(shape)
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer, plan


def write(path, shape, dtype, seed=0):
    """Matrices as `dtype` (numpy's float16 or float32), all other tensors as float32. One tensor at a time is in memory."""
    writer, plan = write_head(path, shape, dtype)
    for name, dimensions, deviation, mean, kind in plan:
        writer.write_tensor_data(values(name, dimensions, deviation, mean, seed, kind))
    if shape.rope_factors:
        writer.write_tensor_data(rope_factors(shape))
    writer.close()


def cached(name, kind, quantize, seed=0):
    """The path of the shape `name` in a type. `quantize`: the words before IN OUT TYPE. A run that is interrupted leaves nothing that looks whole."""
    path = CACHE / f"{name}-{kind}-{RECIPE}.{seed}.gguf"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    if kind == "F16":
        write(part, SHAPES[name], np.float16, seed)
    else:
        run = subprocess.run([*quantize, cached(name, "F16", quantize, seed), part, kind], capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(f"{run.args} failed: {run.stderr[-2000:]}")
    part.rename(path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", nargs="?", default="F16")
    parser.add_argument("--quantize", type=shlex.split, default=["build/release/bin/mlx", "quantize"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(cached(options.shape, options.type.upper(), options.quantize, options.seed))


if __name__ == "__main__":
    main()
