"""Speed by weight type, of a model's shape with random weights: mlxrunnerd beside llama-server, turn by turn in one run.

    by_type.py SHAPE --build build/release --peer FOLDER [--types Q4_0,Q8_0] [--threads 1,2] [--rounds N] [--kernels avx2] [--json FILE]

  prompt 512   512 tokens in, one out: 512 / time         decode      128 / the time that they take after a prompt of 16
  prompt 2048  the same with 2048                         decode 4k   the same after a prompt of 4096

A cell is MLXR's tokens per second and its ratio to llama.cpp's, medians of the rounds; below are the ratios' geometric mean and minimum.
"of read" is the part of the memory's read bandwidth, measured in the same run with the same threads, that a decoded token's weights take.
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

from gguf import GGUFReader
from report import geometric_mean, new_record, versions
from servers import LlamaCpp, Mlxr, drawing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "reference"))
import random_models

TYPES = ("Q4_0", "Q4_1", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "BF16")
CONTEXT = 4352
LARGE = 500e6  # bytes: smaller models lie in the processor's caches in part, and their tokens spend more time between the weights

MEASURES = {
    "prompt 512": lambda server, draw: 512 / server.complete(draw(512), 1),
    "prompt 2048": lambda server, draw: 2048 / server.complete(draw(2048), 1),
    "decode": lambda server, draw: server.decode_rate(draw(16)),
    "decode 4k": lambda server, draw: server.decode_rate(draw(4096)),
}


def one_round(server, draw, measures):
    server.start_to_first_token(draw(8))
    try:
        return {name: MEASURES[name](server, draw) for name in measures}
    finally:
        server.stop()


def weights_per_token(model):
    """Bytes of every tensor, except of the embeddings if the head is another matrix: then only one row of them is read."""
    sizes = {tensor.name: tensor.n_bytes for tensor in GGUFReader(model).tensors}
    return sum(sizes.values()) - ("output.weight" in sizes) * sizes["token_embd.weight"]


def read_bandwidth(build, threads):
    """GB/s."""
    return float(subprocess.run([build / "bench" / "bench_bandwidth", str(threads)], capture_output=True, text=True, check=True).stdout)


def measure(model, threads, options):
    """{"weights", "bandwidth", "mlxr": [a round's measures, …], "llama.cpp": […]}, and the servers' versions."""
    servers = [kind(folder, model, threads, CONTEXT) for kind, folder in ((Mlxr, options.build / "bin"), (LlamaCpp, options.peer))]
    servers[0].kernels = options.kernels
    result = {"weights": weights_per_token(model), "bandwidth": [], **{server.name: [] for server in servers}}
    for server in servers:
        server.warm_up([300])
    for i in range(options.rounds):
        result["bandwidth"].append(read_bandwidth(options.build, threads))
        for server in servers if i % 2 == 0 else reversed(servers):
            draw = drawing(i)  # the same for both
            result[server.name].append(one_round(server, draw, options.measures))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return result, versions(servers)


def median(rounds, name):
    return statistics.median(each[name] for each in rounds)


def print_row(kind, result, measures):
    ours, theirs = result[Mlxr.name], result[LlamaCpp.name]
    cells = [f"{median(ours, m):10.1f} {median(ours, m) / median(theirs, m):5.2f}x" for m in measures]
    if "decode" in measures and result["weights"] > LARGE:
        bandwidth = statistics.median(result["bandwidth"]) * 1e9
        cells.append("  ".join(f"{median(rounds, 'decode') * result['weights'] / bandwidth:6.0%}" for rounds in (ours, theirs)))
    print(f"{kind:8} " + " ".join(cells), flush=True)


def print_table(name, threads, results, options):
    bandwidth = statistics.median(each for result in results.values() for each in result["bandwidth"])
    print(f"\n{name}, {threads} threads, {options.kernels} kernels, medians of {options.rounds} rounds; memory reads {bandwidth:.1f} GB/s")
    print(f"{'':8} " + " ".join(f"{m:>17}" for m in options.measures) + "  of read (llama.cpp)")
    for kind, result in results.items():
        print_row(kind, result, options.measures)
    ratios = {m: [median(r[Mlxr.name], m) / median(r[LlamaCpp.name], m) for r in results.values()] for m in options.measures}
    for label, of in ("geomean", geometric_mean), ("minimum", min):
        print(f"{label:8} " + " ".join(f"{of(ratios[m]):16.2f}x" for m in options.measures), flush=True)


def words(text):
    return text.split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=random_models.SHAPES)
    parser.add_argument("--build", required=True, type=pathlib.Path, help="MLXR's: build/release")
    parser.add_argument("--peer", required=True, type=pathlib.Path, help="the folder of llama.cpp's programs")
    parser.add_argument("--types", type=words, default=TYPES)
    parser.add_argument("--threads", type=words, default=sorted({1, os.cpu_count()}))
    parser.add_argument("--measures", type=words, default=list(MEASURES), help="some of: " + ",".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kernels", default="auto", help="a variant of MLXR's kernel pack; --peer should be built alike")
    parser.add_argument("--quantize", type=shlex.split, help="the words before IN OUT TYPE (default: mlx quantize)")
    parser.add_argument("--keep", action="store_true", help="leave the model files, of up to 6 GB, for the next run")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    record = new_record(shape=options.shape, kernels=options.kernels, rounds=options.rounds, threads={})
    tables = {int(threads): {} for threads in options.threads}
    for kind in options.types:
        model = random_models.cached(options.shape, kind, options.quantize or [options.build / "bin" / "mlx", "quantize"])
        for threads, results in tables.items():
            results[kind], record["versions"] = measure(model, threads, options)
            print_row(f"{threads} {kind}", results[kind], options.measures)
        if kind != "F16" and not options.keep:
            model.unlink()  # the F16 model stays, because the others are made from it
    for threads, results in tables.items():
        print_table(options.shape, threads, results, options)
    record["threads"] = tables
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
