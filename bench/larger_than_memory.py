"""A mixture of experts that is larger than memory: MLXR beside llama.cpp, each in a cgroup of its own with the same limit. Needs root, Linux.

    python bench/larger_than_memory.py --build build/release --peer FOLDER --limit 1500

The model has random weights in Q4_K, about 2.9 GB (`--layers` says how much): 64 experts in the sizes of Qwen3 30B-A3B, of which a token takes 4.
Its router draws them nearly evenly, which is the worst case for what the system keeps in memory. Each program starts with nothing in memory,
answers a prompt, and then generates tokens in rounds. The table: seconds to the first token of the first start (mlxrunnerd repacks the
weights then) and of the second, tokens per second, MB read from the disk per token, the resident set, and how many processes the system killed.
llama.cpp runs twice: with its defaults, and without repacking.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import sys
import time
import zlib

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

import http_client
import report
from servers import LlamaCpp, Mlxr, drawing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "reference"))
import random_models

PROMPT, TOKENS = 32, 48


def shape(layers):
    experts = random_models.Experts(64, 4, 768)
    return dataclasses.replace(random_models.SHAPES["qwen3moe-small"], layers=layers, vocabulary=32768, tied=True, context=4096, experts=experts)


def random_q4_k(name, dimensions):
    """Blocks of 256 values d · scale · q - dmin · min, with a mean of 0 and a variance of 1 / columns."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    blocks = np.frombuffer(random.bytes(math.prod(dimensions) // 256 * 144), np.uint8).reshape(-1, 144).copy()
    d = 1 / (255 * math.sqrt(dimensions[-1]))
    blocks[:, :4] = np.frombuffer(np.array([d, 7.5 * d], np.float16).tobytes(), np.uint8)
    return blocks.reshape(*dimensions[:-1], -1)


def make_model(layers):
    path = random_models.CACHE / f"larger-than-memory-{layers}.gguf"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part, one = path.with_suffix(".part"), shape(layers)
    writer = GGUFWriter(part, one.architecture)
    writer.add_file_type(15)  # Q4_K_M
    random_models.add_description(writer, one)
    random_models.add_tokenizer(writer, one)
    plan = [(name, dimensions, deviation, mean, len(dimensions) > 1 and "gate_inp" not in name) for name, dimensions, deviation, mean in random_models.tensors(one)]
    for name, dimensions, _, _, packed in plan:
        if packed:
            bytes_of_row = dimensions[-1] // 256 * 144
            writer.add_tensor_info(name, (*dimensions[:-1], bytes_of_row), np.dtype(np.uint8), math.prod(dimensions[:-1]) * bytes_of_row, GGMLQuantizationType.Q4_K)
        else:
            writer.add_tensor_info(name, dimensions, np.dtype(np.float32), math.prod(dimensions) * 4)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, dimensions, deviation, mean, packed in plan:
        writer.write_tensor_data(random_q4_k(name, dimensions) if packed else random_models.values(name, dimensions, deviation, mean, 0, np.dtype(np.float32)))
    writer.close()
    part.rename(path)
    return path


class Cgroup:
    """A limit of memory, of either version of cgroups."""

    def __init__(self, name, limit):
        top = pathlib.Path("/sys/fs/cgroup")
        self.old = not (top / "cgroup.controllers").exists()
        self.folder = (top / "memory" if self.old else top) / name
        self.folder.mkdir()
        (self.folder / ("memory.limit_in_bytes" if self.old else "memory.max")).write_text(str(limit))

    def around(self, command):
        """The command, in the cgroup from its first instruction."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', self.folder / "cgroup.procs", *command]

    def killed(self):
        lines = (self.folder / ("memory.oom_control" if self.old else "memory.events")).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def remove(self):
        self.folder.rmdir()


def limited(server_class):
    class Limited(server_class):
        cgroup = None

        def command(self):
            return self.cgroup.around(super().command())

    return Limited


class NoRepack(LlamaCpp):
    """With its default, it repacks the weights into memory that is not a file."""

    name = "llama.cpp, --no-repack"

    def command(self):
        return [*super().command(), "--no-repack"]


def number_in(server, file, name):
    for line in pathlib.Path(f"/proc/{server.process.pid}/{file}").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * (1024 if line.endswith("kB") else 1)
    raise RuntimeError(f"no {name} in {file}")


def measure(server, limit, rounds):
    draw = drawing(1)
    server.cgroup = Cgroup(f"mlxr-bench-{os.getpid()}", limit)
    try:
        server.drop_from_page_cache()
        try:
            first = server.start_to_first_token(draw(PROMPT))
        except http_client.Busy:
            return {"problem": "still loading after two minutes"}
        except RuntimeError:
            if not server.cgroup.killed():
                raise
            return {"problem": "the system killed it"}
        while any(server.home.rglob("*.panels-part-*")):  # mlxrunnerd still writes its cache
            time.sleep(0.1)
        server.stop()
        server.drop_from_page_cache()
        second = server.start_to_first_token(draw(PROMPT))
        rates, reads = [], []
        for seed in range(rounds):
            before = number_in(server, "io", "read_bytes")
            rates.append(server.decode_rate(draw(PROMPT), TOKENS, {"temperature": 1, "seed": seed}))  # the most likely tokens repeat themselves
            reads.append((number_in(server, "io", "read_bytes") - before) / (PROMPT + TOKENS) / 1e6)
        return {"first": first, "second": second, "rate": rates, "read": reads, "resident": number_in(server, "status", "VmHWM") / 1e6,
                "anonymous": number_in(server, "status", "RssAnon") / 1e6, "killed": server.cgroup.killed()}  # fmt: skip
    finally:
        server.stop()
        server.cgroup.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default="build/release", help="a build folder of MLXR")
    parser.add_argument("--peer", type=pathlib.Path, help="the folder of llama-server; without it MLXR is measured alone")
    parser.add_argument("--limit", type=int, default=1500, help="MB of memory (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=16, help="of the model, 180 MB each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="write the record here")
    options = parser.parse_args()

    model = make_model(options.layers)
    servers = [limited(Mlxr)(options.build / "bin", model, options.threads, 512)]
    if options.peer:
        servers += [limited(peer)(options.peer, model, options.threads, 512) for peer in (LlamaCpp, NoRepack)]
    record = report.new_record(model_bytes=model.stat().st_size, limit=options.limit * 10**6, threads=options.threads, versions=report.versions(servers))
    print(f"{model.stat().st_size / 1e6:.0f} MB of weights, {options.limit} MB of memory")
    print(f"{'':22} {'1st start, s':>12} {'2nd, s':>8} {'tokens/s':>20} {'MB read/token':>20} {'resident, MB':>12} {'anonymous':>10} {'killed':>7}")
    for server in servers:
        one = record[server.name] = measure(server, options.limit * 10**6, options.rounds)
        if "problem" in one:
            print(f"{server.name:22} {one['problem']}")
            continue
        print(f"{server.name:22} {one['first']:12.1f} {one['second']:8.1f} {report.spread(one['rate']):>20} {report.spread(one['read']):>20} "
              f"{one['resident']:12.0f} {one['anonymous']:10.0f} {one['killed']:7}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
