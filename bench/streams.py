"""Measures several clients at once, mlxrunnerd beside llama.cpp's llama-server: same file, same threads, turn by turn in one run.

    streams.py --build build/release --peer FOLDER MODEL.gguf… [--streams 1 4 8 16] [--threads N] [--rounds N] [--json FILE]

Each stream sends a prompt of its own of 256 tokens and reads 128 tokens, all of them at the same moment. Measured from the clients' side:
  N streams   tokens of all answers / time from the first request to the last token
  first p95   time to the first token, of 95 % of the streams
  gap         the longest pause between two tokens of one stream
  8 / 1       tokens per second of 8 streams together, as a multiple of the program's own with one
  memory      the largest resident set of a process that has served the largest number of streams, once, and nothing else
and chats, whose history grows by 215 tokens a turn, with answers of 16 tokens:
  turn 12     time to the first token of the twelfth turn of one chat
  8 chats     the same when eight chats take their turns together, the median of all
Without --peer only MLXR is measured.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import sys
import threading
import time

import http_client
from report import new_record, spread, versions
from servers import LlamaCpp, Mlxr, drawing

PROMPT, ANSWER = 256, 128
TURN, TURNS, REPLY = 215, 12, 16
CHATS = 8
UNITS = {"8 / 1": "times, more is better", "memory": "MB, less is better"}


def answer(server, tokens, count, arrivals):
    """Appends the time of each token to `arrivals`."""
    request = server.request(tokens, count) | {"stream": True, "stream_options": {"include_usage": True}}
    usage = {}
    for event in http_client.stream(server.socket, "/v1/completions", request):
        if b'"usage":{' in event:
            usage = json.loads(event)["usage"]
        elif event != b"[DONE]":
            arrivals.append(time.perf_counter())
    server.check(usage, tokens, count)


def together(server, prompts, count):
    """Sends all prompts at once. For each: the times of its tokens, from the moment of sending."""
    times = [[] for _ in prompts]
    threads = [threading.Thread(target=answer, args=(server, prompt, count, own)) for prompt, own in zip(prompts, times, strict=True)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(times):
        raise RuntimeError(f"{server.name} left a stream without an answer")
    return [[moment - begin for moment in own] for own in times]


def measure_streams(server, draw, numbers):
    result = {}
    for n in numbers:
        times = together(server, [draw(PROMPT) for _ in range(n)], ANSWER)
        first = sorted(own[0] for own in times)
        result[f"{n} streams"] = n * ANSWER / max(own[-1] for own in times)
        result[f"{n} first p95"] = first[max(0, -(-95 * n // 100) - 1)]
        result[f"{n} gap"] = max(b - a for own in times for a, b in zip(own, own[1:]))
    if {"1 streams", "8 streams"} <= result.keys():
        result["8 / 1"] = result["8 streams"] / result["1 streams"]
    return result


def measure_memory(server, draw, most):
    together(server, [draw(PROMPT) for _ in range(most)], ANSWER)
    return {"memory": server.peak_memory() / 1e6}


def measure_chats(server, draw):
    history = [[] for _ in range(CHATS + 1)]
    last_of_one, of_all = 0, []
    for _ in range(TURNS):
        history[0] += draw(TURN)
        last_of_one = together(server, [history[0]], REPLY)[0][0]
    for turn in range(TURNS):
        for own in history[1:]:
            own += draw(TURN)
        firsts = [own[0] for own in together(server, history[1:], REPLY)]
        if turn > 0:
            of_all += firsts
    return {"turn 12": last_of_one, "8 chats": statistics.median(of_all)}


def one_round(make, draw, numbers):
    """`make` makes a server with a context of so many tokens for each of so many clients. Each measure has a process of its own."""
    most = max(numbers)
    return {
        **measured(make(PROMPT + ANSWER + 32, most), draw, lambda server: measure_streams(server, draw, numbers), attention="off"),
        **measured(make(PROMPT + ANSWER + 32, most), draw, lambda server: measure_memory(server, draw, most)),
        **measured(make(TURN * TURNS + 64, CHATS), draw, lambda server: measure_chats(server, draw)),
    }


def measured(server, draw, measure, attention="auto"):
    """What `measure` finds out about a fresh process. `attention` is the peer's flash attention (README.md says why)."""
    server.flash_attention = attention
    server.start_to_first_token(draw(8))
    try:
        return measure(server)
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.gguf")
    parser.add_argument("--build", required=True, type=pathlib.Path, help="MLXR's: build/release")
    parser.add_argument("--peer", type=pathlib.Path, help="the folder of llama.cpp's programs")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8, 16], metavar="N")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    products = [(Mlxr, options.build / "bin")] + ([(LlamaCpp, options.peer)] if options.peer else [])
    record = new_record(threads=options.threads, rounds=options.rounds, models={})
    for model in options.models:
        record["versions"] = versions([kind(folder, model, options.threads, 4096) for kind, folder in products])
        rounds = {kind.name: [] for kind, _ in products}
        for i in range(options.rounds):
            for kind, folder in products if i % 2 == 0 else reversed(products):
                draw = drawing(i)  # the same for both
                make = functools.partial(kind, folder, model, options.threads)
                rounds[kind.name].append(one_round(make, draw, options.streams))
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        record["models"][model.name] = rounds
        print_table(model, options, rounds)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def print_table(model, options, rounds):
    print(f"{model.name}, {options.threads} threads, medians of {options.rounds} rounds (their spread)")
    for name in rounds[Mlxr.name][0]:
        values = {who: [r[name] for r in all_rounds] for who, all_rounds in rounds.items()}
        unit = UNITS.get(name) or ("tokens/s, more is better" if name.endswith("streams") else "s, less is better")
        columns = "".join(f" {spread(of_one):>16}" for of_one in values.values())
        medians = [statistics.median(of_one) for of_one in values.values()]
        ratio = f"   {medians[0] / medians[1]:4.2f}x" if len(medians) == 2 else ""
        print(f"  {name:13}{columns}{ratio}  {unit}")


if __name__ == "__main__":
    main()
