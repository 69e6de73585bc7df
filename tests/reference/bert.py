"""BERT (Devlin et al. 2018) and Nomic BERT (Nussbaum et al. 2024) in NumPy, from the tensors of a folder by their own names, in float64."""

import math

import numpy as np


def layer_norm(x, weight, bias, eps):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight + bias


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


class Bert:
    def __init__(self, tensors, heads, eps, position_offset=0):
        self.tensors = {name: np.asarray(values, np.float64) for name, values in tensors.items()}
        self.heads, self.eps, self.position_offset = heads, eps, position_offset

    def linear(self, name, x):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def norm(self, name, x):
        return layer_norm(x, self.tensors[name + ".weight"], self.tensors[name + ".bias"], self.eps)

    def attention(self, name, x):
        q, k, v = (self.linear(f"{name}.self.{part}", x).reshape(len(x), self.heads, -1).swapaxes(0, 1) for part in ("query", "key", "value"))
        return self.linear(name + ".output.dense", self.mixed(q, k, v))

    @staticmethod
    def mixed(q, k, v):
        """Of (heads, tokens, dim) each, (tokens, heads · dim)."""
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        y = weights / weights.sum(-1, keepdims=True) @ v
        return y.swapaxes(0, 1).reshape(q.shape[1], -1)

    def rows(self, tokens, types=None):
        """Of the last layer, (tokens, dim). `types`: which text of a pair each token is of."""
        t, positions = self.tensors, np.arange(len(tokens)) + self.position_offset
        x = t["embeddings.word_embeddings.weight"][tokens] + t["embeddings.position_embeddings.weight"][positions]
        x = self.norm("embeddings.LayerNorm", x + t["embeddings.token_type_embeddings.weight"][np.zeros(len(tokens), int) if types is None else types])
        layer = 0
        while f"encoder.layer.{layer}.output.dense.weight" in t:
            name = f"encoder.layer.{layer}"
            x = self.norm(name + ".attention.output.LayerNorm", x + self.attention(name + ".attention", x))
            hidden = gelu(self.linear(name + ".intermediate.dense", x))
            x = self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", hidden))
            layer += 1
        return x


def rotated(x, base):
    """RoPE (Su et al. 2021) of (heads, tokens, dim), where a value turns with that half a head away."""
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * base ** (-np.arange(half) / half)
    first, second, cos, sin = x[..., :half], x[..., half:], np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


class NomicBert(Bert):
    """With rotated heads, a gated feed-forward part, and no biases but those of norms."""

    def __init__(self, tensors, heads, eps, base):
        super().__init__(tensors, heads, eps)
        self.base = base

    def linear(self, name, x):
        return x @ self.tensors[name + ".weight"].T

    def attention(self, name, x):
        q, k, v = self.linear(name + ".Wqkv", x).reshape(len(x), 3, self.heads, -1).transpose(1, 2, 0, 3)
        y = self.mixed(rotated(q, self.base), rotated(k, self.base), v)
        return self.linear(name + ".out_proj", y)

    def rows(self, tokens):
        t = self.tensors
        x = self.norm("emb_ln", t["embeddings.word_embeddings.weight"][tokens] + t["embeddings.token_type_embeddings.weight"][0])
        layer = 0
        while f"encoder.layers.{layer}.norm2.weight" in t:
            name = f"encoder.layers.{layer}"
            x = self.norm(name + ".norm1", x + self.attention(name + ".attn", x))
            gate = self.linear(name + ".mlp.fc12", x)
            hidden = self.linear(name + ".mlp.fc11", x) * gate / (1 + np.exp(-gate))
            x = self.norm(name + ".norm2", x + self.linear(name + ".mlp.fc2", hidden))
            layer += 1
        return x
