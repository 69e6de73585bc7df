"""BERT (Devlin et al. 2018) in NumPy, from the tensors of a folder by their own names, in float64."""

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
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        y = weights / weights.sum(-1, keepdims=True) @ v
        return self.linear(name + ".output.dense", y.swapaxes(0, 1).reshape(len(x), -1))

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
