"""Measures mlxrunnerd beside llama.cpp's llama-server: same file, same threads, turn by turn in one run; medians and their ratio.

    compare.py --build build/release --peer FOLDER MODEL.gguf… [--threads N] [--rounds N] [--json FILE]

What is measured, all from the client's side:
  first      process start to the first token of an 8-token prompt, for a file that the program has never seen: mlxrunnerd checks its
             SHA-256 and repacks its weights
  start      the same, every later time
  cold       the same, when the system has dropped the model, and what the program keeps of it, from its memory
  prompt     512 tokens in, one out: 512 / time
  decode     128 / the time that they take after the first token, as they arrive
  decode 4k  the same behind a prompt of 3900 tokens (with --all)
  busy       decode, 32 tokens, while another process keeps one core busy (with --all)
  memory     the process's largest resident set after all of that, mapped file included
and, of MLXR alone, the instructions that a token takes (instructions.py).

The machine should be quiet: the peer's threads wait for each other by spinning, and any other process slows them more than ours.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import instructions
from report import new_record, spread, versions
from servers import LlamaCpp, Mlxr, drawing

MEASURES = {  # name: (unit, more is better)
    "decode": ("tokens/s", True),
    "prompt": ("tokens/s", True),
    "decode 4k": ("tokens/s", True),
    "busy": ("tokens/s", True),
    "first": ("s", False),
    "start": ("s", False),
    "cold": ("s", False),
    "memory": ("MB", False),
}


def one_round(server, draw, everything):
    """All measures of one server, on fresh processes."""
    server.move_in()
    result = {"first": server.start_to_first_token(draw(8))}
    time.sleep(1)  # so that files that a first start writes in the background do not disturb the next measurement
    server.stop()
    server.drop_from_page_cache()
    result["cold"] = server.start_to_first_token(draw(8))
    server.stop()
    result["start"] = server.start_to_first_token(draw(8))
    try:
        result["prompt"] = 512 / server.complete(draw(512), 1)
        result["decode"] = server.decode_rate(draw(16))
        if everything:
            result["decode 4k"] = server.decode_rate(draw(3900))
            with busy_neighbour():
                result["busy"] = server.decode_rate(draw(16), 32)
        result["memory"] = server.peak_memory() / 1e6
    finally:
        server.stop()
    return result


@contextlib.contextmanager
def busy_neighbour():
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.gguf")
    parser.add_argument("--build", required=True, type=pathlib.Path, help="MLXR's: build/release")
    parser.add_argument("--peer", required=True, type=pathlib.Path, help="the folder of llama.cpp's programs")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="also what takes longer: see above")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    record = new_record(threads=options.threads, rounds=options.rounds, models={})
    for model in options.models:
        servers = [kind(folder, model, options.threads, 4096) for kind, folder in ((Mlxr, options.build / "bin"), (LlamaCpp, options.peer))]
        record["versions"] = versions(servers)
        rounds = {server.name: [] for server in servers}
        for i in range(options.rounds):
            for server in servers if i % 2 == 0 else reversed(servers):
                draw = drawing(i)  # the same for both
                rounds[server.name].append(one_round(server, draw, options.all))
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        per_token = instructions.per_token(options.build / "bench", model)
        record["models"][model.name] = {**rounds, "a token": per_token}
        print_table(model, options, rounds)
        if per_token:
            print(f"  {per_token['instructions'] / 1e6:.1f} million instructions a token ({per_token['variant']}, one thread, {per_token['counted_by']})")
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


if __name__ == "__main__":
    main()
