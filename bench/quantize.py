"""Error and time of `mlx quantize` beside llama.cpp's llama-quantize: same file, same type, same threads, in turns.

    quantize.py --mlx build/release/bin/mlx --peer llama-quantize [MODEL.gguf…] [--values N] [--threads N] [--rounds N] [--json FILE]

The first table is of made-up weights in float32, one matrix per distribution, deterministic; then comes one for each model given. What is
compared is the root of the mean squared error against the source, as PyPI gguf decodes both files, and their ratio; then the median seconds and
processor seconds for `--values` normal weights in half precision. Files go to memory where there is a /dev/shm: `mlx quantize` waits until its
file is on the disk, llama-quantize does not, and neither is what is measured here.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from gguf import GGUFReader, GGUFWriter, quants

TYPES = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K_S Q5_K_S Q6_K".split()  # without mixes, so that a matrix has the same type in all layers
SHAPE = (512, 1024)


def distributions():
    random = np.random.default_rng(1)
    yield "normal", random.normal(0, 0.02, SHAPE)
    yield "laplace", random.laplace(0, 0.02, SHAPE)
    yield "student t, 3", random.standard_t(3, SHAPE) * 0.02
    yield "uniform", random.uniform(-0.05, 0.05, SHAPE)
    yield "shifted normal", random.normal(0.1, 0.02, SHAPE)
    outliers = random.normal(0, 0.02, SHAPE)
    outliers[np.arange(SHAPE[0])[:, None], random.integers(0, SHAPE[1], (SHAPE[0], 6))] *= 30
    yield "outliers", outliers
    yield "constant rows", np.repeat(random.normal(0, 0.1, (SHAPE[0], 1)), SHAPE[1], axis=1)
    yield "zeros", np.zeros(SHAPE)


def write_model(file, matrices, file_type):
    """A Llama of these matrices, for programs that look no closer than llama-quantize does."""
    writer = GGUFWriter(file, "llama")
    writer.add_block_count(128)  # K_S gives more bits to the first eighth and four layers; these matrices are in none of them
    writer.add_embedding_length(2048)
    writer.add_context_length(128)
    writer.add_head_count(16)
    writer.add_feed_forward_length(2048)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(128)
    writer.add_vocab_size(32)
    writer.add_file_type(file_type)
    writer.add_tensor("token_embd.weight", np.zeros((32, 2048), np.float16))
    for i, matrix in enumerate(matrices):
        writer.add_tensor(f"blk.{i}.ffn_up.weight", matrix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def normal_model(file, n_values):
    random = np.random.default_rng(5)
    width = 2048
    write_model(file, ((random.standard_normal((width, width), np.float32) * 0.02).astype(np.float16) for _ in range(n_values // width**2)), 1)


def run(command):
    """Seconds, and processor seconds of all threads."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(options, source, folder, type_):
    ours, theirs = folder / "ours.gguf", folder / "theirs.gguf"
    return {"mlxr": (ours, [options.mlx, "quantize", "--force", "--threads", str(options.threads), source, ours, type_]),
            "llama.cpp": (theirs, [options.peer, source, theirs, type_, str(options.threads)])}  # fmt: skip


def decoded(tensor):
    return quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)


def square_errors(source, file):
    """{tensor: (sum of squared errors, values)} of those that changed their type."""
    originals = {tensor.name: tensor for tensor in GGUFReader(source).tensors}
    changed = [tensor for tensor in GGUFReader(file).tensors if tensor.tensor_type != originals[tensor.name].tensor_type]
    return {tensor.name: (float(np.sum((decoded(tensor) - decoded(originals[tensor.name])) ** 2)), int(tensor.n_elements)) for tensor in changed}


def errors(options, source, folder, type_):
    result = {}
    for name, (file, command) in commands(options, source, folder, type_).items():
        run(command)
        result[name] = square_errors(source, file)
    return result


def ratio(ours, theirs):
    return ours / theirs if theirs else (1.0 if ours == 0 else float("inf"))


def compare_distributions(options, folder):
    names, matrices = zip(*distributions())
    source = folder / "made-up.gguf"
    write_model(source, [matrix.astype(np.float32) for matrix in matrices], 0)
    print(f"{'RMSE, ratio':15}" + "".join(f"{type_:>9}" for type_ in TYPES))
    found = {type_: errors(options, source, folder, type_) for type_ in TYPES}
    record = {}
    for i, name in enumerate(names):
        tensor = f"blk.{i}.ffn_up.weight"
        both = {type_: [np.sqrt(found[type_][who][tensor][0] / np.prod(SHAPE)) for who in ("mlxr", "llama.cpp")] for type_ in TYPES}
        record[name] = both
        print(f"{name:15}" + "".join(f"{ratio(*both[type_]):9.3f}" for type_ in TYPES))
    return record


def compare_model(options, folder, model):
    record = {}
    print(f"\n{model.name}: RMSE of all matrices")
    for type_ in [*TYPES, "Q4_K_M", "Q5_K_M"]:
        sums = {who: np.array(list(tensors.values())).sum(axis=0) for who, tensors in errors(options, model, folder, type_).items()}
        both = [float(np.sqrt(square / n)) for square, n in sums.values()]
        record[type_] = both
        print(f"  {type_:8} mlxr {both[0]:.3e}  llama.cpp {both[1]:.3e}  ratio {ratio(*both):.3f}")
    return record


def compare_times(options, folder):
    source = folder / "normal.gguf"
    normal_model(source, options.values)
    print(f"\n{options.values / 1e6:.0f} million values, {options.threads} threads: seconds (processor seconds), medians of {options.rounds}")
    record = {}
    for type_ in TYPES:
        times = {"mlxr": [], "llama.cpp": []}
        for i in range(options.rounds):
            turn = list(commands(options, source, folder, type_).items())
            for name, (_, command) in turn if i % 2 == 0 else reversed(turn):
                times[name].append(run(command))
        record[type_] = times
        medians = {name: [statistics.median(values) for values in zip(*rounds)] for name, rounds in times.items()}
        said = "  ".join(f"{name} {wall:6.2f} ({cpu:6.2f})" for name, (wall, cpu) in medians.items())
        print(f"  {type_:8} {said}  ratio {medians['mlxr'][0] / medians['llama.cpp'][0]:.2f} ({medians['mlxr'][1] / medians['llama.cpp'][1]:.2f})")
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path, help="GGUF files in F16, BF16 or F32")
    parser.add_argument("--mlx", required=True, type=pathlib.Path)
    parser.add_argument("--peer", required=True, type=pathlib.Path, help="llama-quantize")
    parser.add_argument("--values", type=int, default=500_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlxr-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as name:
        folder = pathlib.Path(name)
        record = {"threads": options.threads, "values": options.values, "load": os.getloadavg()[0],
                  "errors": compare_distributions(options, folder),
                  "models": {model.name: compare_model(options, folder, model) for model in options.models},
                  "times": compare_times(options, folder)}  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
