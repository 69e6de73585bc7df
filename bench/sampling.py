"""Measures what choosing tokens costs, mlxrunnerd beside llama.cpp's llama-server: same file, same threads, same settings, in turns.

    sampling.py --build build/release --peer FOLDER MODEL.gguf… [--tokens N] [--threads N] [--rounds N] [--json FILE]

Each row is the speed at which tokens follow the first one (tokens/s), after a prompt of 16 tokens:
  greedy       temperature 0
  default      what a client of OpenAI's API gets that sets nothing: temperature 1, top_p 1, no top_k
  top_p        temperature 1, top_p 0.9, min_p 0.05
  penalties    the default with a presence and a frequency penalty, over the whole context
  logprobs     the default with the five most likely tokens of each place
The column beside a speed is its ratio to greedy of the same program, the median of the rounds. In a round, both programs take each row in turn.
Without --peer only MLXR is measured.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import sys

from report import new_record, spread, versions
from servers import LlamaCpp, Mlxr, drawing

DEFAULT = {"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0, "seed": 1}  # in full, for llama-server has other defaults
ROWS = {
    "greedy": {"temperature": 0},
    "default": DEFAULT,
    "top_p": DEFAULT | {"top_p": 0.9, "min_p": 0.05},
    "penalties": DEFAULT | {"presence_penalty": 0.5, "frequency_penalty": 0.5},
    "logprobs": DEFAULT | {"logprobs": 5},
}


def one_round(servers, number, count):
    """The speed of each row, for each server. Another row and another server come first in the next round."""
    tokens = drawing(number)(16)
    speeds = {server.name: {} for server in servers}
    rows = list(ROWS)
    for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
        for server in servers if number % 2 == 0 else reversed(servers):
            speeds[server.name][row] = server.decode_rate(tokens, count, ROWS[row])
    return speeds


def measure(servers, options):
    rounds = {server.name: [] for server in servers}
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start_to_first_token(drawing(-1)(8))
        for i in range(options.rounds):
            for name, own in one_round(servers, i, options.tokens).items():
                rounds[name].append(own)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.gguf")
    parser.add_argument("--build", required=True, type=pathlib.Path, help="MLXR's: build/release")
    parser.add_argument("--peer", type=pathlib.Path, help="the folder of llama.cpp's programs")
    parser.add_argument("--tokens", type=int, default=128, help="of each answer")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    products = [(Mlxr, options.build / "bin")] + ([(LlamaCpp, options.peer)] if options.peer else [])
    record = new_record(threads=options.threads, rounds=options.rounds, models={})
    for model in options.models:
        servers = [kind(folder, model, options.threads, options.tokens + 64) for kind, folder in products]
        record["versions"] = versions(servers)
        record["models"][model.name] = measure(servers, options)
        print_table(model, options, record["models"][model.name])
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def print_table(model, options, rounds):
    print(f"{model.name}, {options.threads} threads, tokens/s, medians of {options.rounds} rounds (their spread), and the ratio to greedy")
    for row in ROWS:
        columns = ""
        for own in rounds.values():
            ratio = statistics.median(one[row] / one["greedy"] for one in own)
            columns += f" {spread([one[row] for one in own]):>16} {ratio:5.2f}"
        print(f"  {row:10}{columns}{beside_the_peer(rounds, row)}")


def beside_the_peer(rounds, row):
    medians = [statistics.median(one[row] for one in own) for own in rounds.values()]
    return f"   {medians[0] / medians[1]:4.2f}x" if len(medians) == 2 else ""


if __name__ == "__main__":
    main()
