"""An independent forward pass: Llama (SmolLM2, Llama 3), Qwen2 and Gemma 3 in NumPy, float32, no cache.

Written from the papers (arXiv 2302.13971, 2104.09864, 2407.10671, 2503.19786), reads the file through PyPI gguf. The reference for the engine's logits:

    python forward.py MODEL.gguf --tokens 1,2,3 --out logits.npy        # (n_tokens, n_vocab) float32
    from forward import Model; logits = Model("m.gguf").logits([1, 2, 3])

The engine rounds on purpose at some places, and the same pass can do so too: `Rounding.CACHE` keeps keys and values as float16;
`Rounding.BYTE_CACHE` keeps them as Q8_0 and rounds queries to 8 bits, as a kernel pack does with such a cache; `Rounding.PACK` has a float16
cache and multiplies packed weights with activations of 8 bits, as a kernel pack does.
"""

import argparse
import enum
from dataclasses import dataclass

import numpy as np
from blocks import dequantize
from gguf import GGMLQuantizationType, GGUFReader

FLOAT_TYPES = {GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16}


class Rounding(enum.Enum):
    NONE = 0
    CACHE = 1
    BYTE_CACHE = 2
    PACK = 3


@dataclass(frozen=True)
class Family:
    """Where the families differ."""

    interleaved_rope: bool  # pairs (0, 1), (2, 3) ... as the converter left Llama's; else (i, i + head_dim / 2)
    scaled_embeddings: bool  # by sqrt(dim)
    gelu: bool  # gate activation: tanh-approximated GELU, else SiLU
    local_period: int = 0  # every n-th layer is global, the others slide; 0: all are global
    local_rope_base: float = 10000.0


FAMILIES = {
    "llama": Family(interleaved_rope=True, scaled_embeddings=False, gelu=False),
    "qwen2": Family(interleaved_rope=False, scaled_embeddings=False, gelu=False),
    "gemma3": Family(interleaved_rope=False, scaled_embeddings=True, gelu=True, local_period=6),
}


def round_to_bytes(x, scale_type=np.float32):
    """x (…, k) in blocks of 32, each as whole numbers of -127 to 127 times a scale: the block's largest magnitude / 127."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    inverse = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=largest > 0)
    scale = (largest / np.float32(127)).astype(scale_type).astype(np.float32)
    return (np.rint(blocks * inverse) * scale).reshape(x.shape)


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True, dtype=np.float32) + eps) * weight


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return np.float32(0.5) * x * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)))


def rope(x, base, factors, interleaved):
    """Rotates pairs of x (n_tokens, n_heads, dim) by position * base^(-2i / dim) / factors[i] (or by one factor for all pairs)."""
    n_tokens, _, dim = x.shape
    frequency = base ** (-np.arange(0, dim, 2, dtype=np.float64) / dim) / factors
    angle = np.arange(n_tokens)[:, None] * frequency  # (n_tokens, dim / 2)
    cos, sin = (f(angle).astype(np.float32)[:, None, :] for f in (np.cos, np.sin))
    out = np.empty_like(x)
    first, second = (np.s_[..., 0::2], np.s_[..., 1::2]) if interleaved else (np.s_[..., : dim // 2], np.s_[..., dim // 2 :])
    out[first] = x[first] * cos - x[second] * sin
    out[second] = x[first] * sin + x[second] * cos
    return out


def attention(q, k, v, window):
    """q and k (n_heads, n, key_dim), v and the result (n_heads, n, value_dim). A position sees itself and the window - 1 before it. Parts of the queries, each with the keys that some of
    it sees, bound the time and the memory that thousands of positions take."""
    mixed = np.empty_like(v)
    n = q.shape[1]
    for begin in range(0, n, 256):
        first, end = max(0, begin - window + 1), min(begin + 256, n)
        distance = np.arange(begin, end)[:, None] - np.arange(first, end)
        scores = q[:, begin:end] @ k[:, first:end].transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[2]))
        scores[:, (distance < 0) | (distance >= window)] = -np.inf
        mixed[:, begin:end] = softmax(scores) @ v[:, first:end]
    return mixed


class Model:
    def __init__(self, path, rounding=Rounding.NONE):
        reader = GGUFReader(path)
        self.rounding = rounding
        self._fields = reader.fields
        self._tensors = {t.name: t for t in reader.tensors}
        self._decoded = {}
        self.arch = self._field("general.architecture")
        if self.arch not in FAMILIES:
            raise ValueError(f"{path} has the architecture {self.arch}; the reference knows {', '.join(FAMILIES)}")
        self.family = FAMILIES[self.arch]
        self.dim = self._hyper("embedding_length")
        self.n_layers = self._hyper("block_count")
        self.n_heads = self._of_layers("attention.head_count")
        self.n_kv_heads = self._of_layers("attention.head_count_kv", self.n_heads)
        self.key_dim = self._hyper("attention.key_length", self.dim // self.n_heads[0])
        self.rotated = self._hyper("rope.dimension_count", self.key_dim)  # values of a head; the others are left as they are
        self.eps = np.float32(self._hyper("attention.layer_norm_rms_epsilon"))
        self.rope_base = self._hyper("rope.freq_base", 10000.0)
        self.window = self._hyper("attention.sliding_window", 0)
        # Position interpolation (arXiv 2306.15595): the model was tuned with positions divided by this.
        unscaled = self._field(f"{self.arch}.rope.scaling.type") == "none"
        self.stretch = 1.0 if unscaled else self._hyper("rope.scaling.factor", self._hyper("rope.scale_linear", 1.0))

    def _field(self, key, default=None):
        return self._fields[key].contents() if key in self._fields else default

    def _hyper(self, key, default=None):
        value = self._field(f"{self.arch}.{key}", default)
        if isinstance(value, list):  # one for each layer
            assert len(set(value)) == 1
            value = value[0]
        if value is None:
            raise ValueError(f"the file has no {self.arch}.{key}")
        return value

    def _of_layers(self, key, default=None):
        value = self._field(f"{self.arch}.{key}", default)
        return value if isinstance(value, list) else [value] * self.n_layers

    def _weight(self, name):
        if name not in self._decoded:
            t = self._tensors[name]
            self._decoded[name] = dequantize(t.data, t.tensor_type).reshape(t.shape[::-1])
        return self._decoded[name]

    def _norm(self, x, name):
        return rms_norm(x, self._weight(name + ".weight"), self.eps)

    def _norm_if_there(self, x, name):
        return self._norm(x, name) if name + ".weight" in self._tensors else x

    def _linear(self, x, name):
        if self.rounding == Rounding.PACK and self._tensors[name + ".weight"].tensor_type not in FLOAT_TYPES:
            x = round_to_bytes(x)
        y = x @ self._weight(name + ".weight").T
        return y + self._weight(name + ".bias") if name + ".bias" in self._tensors else y

    def _is_local(self, layer):
        pattern = self._field(f"{self.arch}.attention.sliding_window_pattern")
        if isinstance(pattern, list):  # one for each layer
            return pattern[layer]
        return self.family.local_period > 0 and (layer + 1) % self.family.local_period != 0

    def _attention(self, x, layer):
        n = len(x)
        block = f"blk.{layer}."
        heads, kv_heads = self.n_heads[layer], self.n_kv_heads[layer]
        q = self._linear(x, block + "attn_q").reshape(n, heads, self.key_dim)
        k = self._linear(x, block + "attn_k").reshape(n, kv_heads, self.key_dim)
        v = self._linear(x, block + "attn_v").reshape(n, kv_heads, -1)
        q = self._norm_if_there(q, block + "attn_q_norm")
        k = self._norm_if_there(k, block + "attn_k_norm")
        local = self._is_local(layer)
        base = self.family.local_rope_base if local else self.rope_base
        factors = 1 if local else self.stretch  # Gemma 3 stretches the positions of its global layers only
        if not local and "rope_freqs.weight" in self._tensors:
            factors = factors * self._weight("rope_freqs.weight")
        for a in (q, k):
            a[..., : self.rotated] = rope(a[..., : self.rotated], base, factors, self.family.interleaved_rope)
        if self.rounding == Rounding.BYTE_CACHE:
            q, k, v = round_to_bytes(q), round_to_bytes(k, np.float16), round_to_bytes(v, np.float16)
        elif self.rounding != Rounding.NONE:
            k, v = (a.astype(np.float16).astype(np.float32) for a in (k, v))

        k, v = (np.repeat(a, heads // kv_heads, axis=1) for a in (k, v))
        mixed = attention(*(a.transpose(1, 0, 2) for a in (q, k, v)), self.window if local else n)
        return self._linear(mixed.transpose(1, 0, 2).reshape(n, -1), block + "attn_output")

    def _mlp(self, x, layer):
        block = f"blk.{layer}."
        activate = gelu_tanh if self.family.gelu else silu
        return self._linear(activate(self._linear(x, block + "ffn_gate")) * self._linear(x, block + "ffn_up"), block + "ffn_down")

    def logits(self, tokens, nudge=0):
        """Logits of all positions: (n_tokens, n_vocab) float32.

        A `nudge` other than 0 changes the input in the seventh digit, each number in its own way: it shows what the roundings make of such a change.
        """
        embeddings = self._weight("token_embd.weight")
        x = embeddings[np.asarray(tokens)]
        if nudge:
            x = x * (1 + np.float32(1e-6) * np.random.default_rng(nudge).standard_normal(x.shape, np.float32))
        if self.family.scaled_embeddings:
            x = x * np.float32(np.sqrt(self.dim))
        for layer in range(self.n_layers):
            block = f"blk.{layer}."
            attended = self._attention(self._norm(x, block + "attn_norm"), layer)
            x = x + self._norm_if_there(attended, block + "post_attention_norm")
            fed = self._mlp(self._norm(x, block + "ffn_norm"), layer)
            x = x + self._norm_if_there(fed, block + "post_ffw_norm")
        x = self._norm(x, "output_norm")
        return self._linear(x, "output" if "output.weight" in self._tensors else "token_embd")

    def greedy(self, tokens, n):
        """The n most likely tokens that follow, one after the other."""
        tokens = list(tokens)
        start = len(tokens)
        for _ in range(n):
            tokens.append(int(self.logits(tokens)[-1].argmax()))
        return tokens[start:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--tokens", required=True, help="token ids, with commas between")
    parser.add_argument("--out", required=True, help="where to write the logits (.npy)")
    args = parser.parse_args()
    np.save(args.out, Model(args.model).logits([int(t) for t in args.tokens.split(",")]))


if __name__ == "__main__":
    main()
