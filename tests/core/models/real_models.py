"""The two real models, the tokens that they are given, and the engine's logits for them."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, quants

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "reference"))

BUILD = pathlib.Path(os.environ.get("MLXR_BUILD_DIR", ROOT / "build" / "dev"))
MODELS = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ROOT / ".deps" / "models"))

# Token ids of ordinary text; more than one KV block, and chunks that do not divide them.
SMOLLM2 = ("SmolLM2-135M-Instruct.Q4_1.gguf", [1, 4093, 198, 28120, 732, 253, 3725, 314, 281, 582, 6330, 30, 2, 198, 1, 520, 9531, 198, *range(300, 340)])
GEMMA3 = ("gemma-3-270m-q4_k_m.gguf", [2, 818, 5279, 529, 7001, 563, 9079, 236761, *range(1000, 1040)])

VARIANTS = ["scalar", "avx2", "avx512", "amx", "neon"]


# How much more than the reference's own rounding a program may cost, in its root mean square and in its largest difference, compared with the
# mean of three passes of the reference that were nudged in the seventh digit. Eight such passes of Gemma 3 spread by 18 % in their root mean
# square (0.024 to 0.040) and 27 % in their largest (0.14 to 0.32); so one pass and a mean of three differ by 21 % and 31 %. The bounds are three
# of these, as factors:
COST, LARGEST = np.exp(3 * 0.21), np.exp(3 * 0.31)


def error_of(got, exact):
    """Root mean square and largest difference, as parts of the logits' standard deviation."""
    difference = (got - exact) / exact.std()
    return float(np.sqrt(np.mean(difference**2))), float(np.abs(difference).max())


def require(name):
    if not (MODELS / name).exists():
        pytest.skip(f"{name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
    return MODELS / name


not_here = {}  # variants that this processor does not run: what a program said of it


def run_variant(variant, program, *words):
    """What a program of the tests prints, which runs on a variant of the pack. Skips the test where the processor does not; only the first asks."""
    if variant not in not_here:
        run = subprocess.run([BUILD / "tests" / program, *words], capture_output=True)
        if run.returncode != 77:
            assert run.returncode == 0, run.stderr.decode()
            return run.stdout
        not_here[variant] = run.stderr.decode().strip()
    pytest.skip(not_here[variant])


def logits(model, variant, chunk, tokens, cache="f16"):
    """Of every position, (n_tokens, n_vocab), run `chunk` tokens at a time on a variant of the kernel pack, or on MLX expressions: "mlx"."""
    output = run_variant(variant, "logits_tool", model, variant, BUILD / "lib" / "kernels" / "cpu", cache, str(chunk), *map(str, tokens))
    return np.frombuffer(output, np.float32).reshape(len(tokens), -1)


def write_float32_copy(source, target, layers):
    """The first layers of a model with its weights decoded: the same numbers, with nothing left for a kernel to round."""
    reader = GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(target, arch)
    for name, field in reader.fields.items():
        if name.startswith(arch + "."):
            writer.add_key_value(name, layers if name == arch + ".block_count" else field.contents(), field.types[0])
    for tensor in reader.tensors:
        part = tensor.name.split(".")
        if part[0] != "blk" or int(part[1]) < layers:
            writer.add_tensor(tensor.name, quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(tensor.shape[::-1]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
