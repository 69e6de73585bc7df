"""A small model of each block type, with random blocks for matrices, against the NumPy reference on the decoded weights.

MLX expressions round nothing and must agree. The pack rounds activations to 8 bits, as test_logits.py explains, and types without kernels to another
(core/quant/convert.h): together they may cost no more than the reference's own rounding of the activations.
"""

import functools

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from real_models import COST, VARIANTS, error_of, logits
import random_models  # tests/reference; real_models has put that folder on the path
from blocks import TYPES, random_blocks
from forward import Model, Rounding

SHAPE = random_models.Shape("llama", "llama-bpe", layers=2, dim=256, heads=4, kv_heads=2, head_dim=64, hidden=512, vocabulary=512)
TOKENS = [int(token) for token in np.random.default_rng(1).integers(0, 500, 40)]
ARITHMETIC = 0.003  # of the logits' standard deviation


def write(path, name):
    """SHAPE with all matrices in a type, as large as random_models has them."""
    floats = path.with_suffix(".f32")
    random_models.write(floats, SHAPE, np.float32)
    reader = GGUFReader(floats)
    arch = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(path, arch)
    for key, field in reader.fields.items():
        if key.startswith(arch + "."):
            writer.add_key_value(key, field.contents(), field.types[0])
    rng = np.random.default_rng(sum(name.encode()))
    for tensor in reader.tensors:
        if len(tensor.shape) == 1:
            writer.add_tensor(tensor.name, tensor.data)
            continue
        k, n = (int(size) for size in tensor.shape)
        rows = random_blocks(name, n * k, 1 / np.sqrt(k), rng).reshape(n, -1)
        writer.add_tensor(tensor.name, rows, raw_dtype=GGMLQuantizationType[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Case:
    def __init__(self, path):
        self.path, self.exact = path, Model(path, Rounding.CACHE).logits(TOKENS)

    @functools.cached_property
    def cost_of_rounding(self):
        model = Model(self.path, Rounding.PACK)
        return np.mean([error_of(model.logits(TOKENS, nudge), self.exact)[0] for nudge in (1, 2, 3)])


@pytest.fixture(scope="module", params=TYPES)
def of_type(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("types") / f"{request.param}.gguf"
    write(path, request.param)
    return Case(path)


def test_mlx_expressions_agree(of_type):
    _, largest = error_of(logits(of_type.path, "mlx", 17, TOKENS), of_type.exact)
    print(f"{of_type.path.name}: largest difference {largest:.5f}")
    assert largest < ARITHMETIC


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pack_costs_no_more_than_rounding_activations(of_type, variant):
    cost, _ = error_of(logits(of_type.path, variant, 17, TOKENS), of_type.exact)
    print(f"{of_type.path.name} {variant}: error {cost:.4f}; the reference's {of_type.cost_of_rounding:.4f}")
    assert cost < COST * of_type.cost_of_rounding
