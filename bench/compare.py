"""Measures mlxrunnerd beside llama.cpp's llama-server: same file, same threads, turn by turn in one run; medians and their ratio.

    compare.py --mlxr build/release/bin/mlxrunnerd --peer llama-server MODEL.gguf [--threads N] [--rounds N] [--json FILE]

What is measured, all from the client's side:
  first      process start to the first token of an 8-token prompt, for a file that the program has never seen: mlxrunnerd checks its
             SHA-256 and repacks its weights
  start      the same, every later time
  prompt     512 tokens in, one out: 512 / time
  decode     the time that 128 more tokens take: 128 / (time of 129 out - time of 1 out)
  decode 4k  the same behind a prompt of 3900 tokens (with --all)
  busy       decode, 32 tokens, while another process keeps one core busy (with --all)
  memory     the process's largest resident set after all of that, mapped file included
The machine should be quiet: the peer's threads wait for each other by spinning, and any other process slows them more than ours.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import time

from servers import LlamaCpp, Mlxr

MEASURES = {  # name: (unit, more is better)
    "decode": ("tokens/s", True),
    "prompt": ("tokens/s", True),
    "decode 4k": ("tokens/s", True),
    "busy": ("tokens/s", True),
    "first": ("s", False),
    "start": ("s", False),
    "memory": ("MB", False),
}


def one_round(server, draw, everything):
    """All measures of one server, on fresh processes."""
    server.move_in()
    result = {"first": server.start_to_first_token(draw(8))}
    time.sleep(1)  # what a first start writes in the background is no part of what follows
    server.stop()
    result["start"] = server.start_to_first_token(draw(8))
    try:
        result["prompt"] = 512 / server.complete(draw(512), 1)
        result["decode"] = decode_rate(server, draw(16))
        if everything:
            result["decode 4k"] = decode_rate(server, draw(3900))
            with busy_neighbour():
                result["busy"] = decode_rate(server, draw(16), 32)
        result["memory"] = server.peak_memory() / 1e6
    finally:
        server.stop()
    return result


def decode_rate(server, prompt, count=128):
    first = server.complete(prompt, 1)
    return count / (server.complete(prompt, 1 + count) - first)


@contextlib.contextmanager
def busy_neighbour():
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            flags = line.split()
            return {"machine": platform.machine(), "avx512": "avx512_vnni" in flags, "avx2": "avx2" in flags}
    return {"machine": platform.machine()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.gguf")
    parser.add_argument("--mlxr", required=True, type=pathlib.Path)
    parser.add_argument("--peer", required=True, type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="also what takes longer: see above")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    record = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processor": processor(), "threads": options.threads,
              "rounds": options.rounds, "load": os.getloadavg()[0], "versions": {}, "models": {}}  # fmt: skip
    for model in options.models:
        servers = [Mlxr(options.mlxr, model, options.threads, 4096), LlamaCpp(options.peer, model, options.threads, 4096)]
        record["versions"] = {server.name: server.version() for server in servers}
        rounds = {server.name: [] for server in servers}
        for i in range(options.rounds):
            for server in servers if i % 2 == 0 else reversed(servers):
                tokens = random.Random(i)  # the same for both
                rounds[server.name].append(one_round(server, lambda n: [tokens.randrange(300, 30000) for _ in range(n)], options.all))
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        record["models"][model.name] = rounds
        print_table(model, options, rounds)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def print_table(model, options, rounds):
    print(f"{model.name}, {options.threads} threads, medians of {options.rounds} rounds (their spread)")
    print(f"  {'':10} {'mlxr':>16} {'llama.cpp':>16}   ratio")
    for name, (unit, more) in MEASURES.items():
        ours, theirs = ([r[name] for r in rounds[who] if name in r] for who in (Mlxr.name, LlamaCpp.name))
        if ours:
            ratio = statistics.median(ours) / statistics.median(theirs)
            print(f"  {name:10} {spread(ours):>16} {spread(theirs):>16}   {ratio:4.2f}x  {unit}, {'more' if more else 'less'} is better")


def spread(values):
    digits = 2 if statistics.median(values) < 10 else 0
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


if __name__ == "__main__":
    main()
