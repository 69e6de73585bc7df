"""Perplexity by MLXR's engine and by llama.cpp's llama-perplexity: same file, same text, same definition (bench_perplexity.cpp), their ratio.

    perplexity.py --programs build/release/bench --peer llama-perplexity MODEL.gguf… [--json FILE]

The texts are the descriptions that the Python packages pinned in scripts/requirements/test.txt carry (prose and code), 50,000 bytes
each: the same on every machine, and in no need of a copy here. One such text tells 0.1 % from nothing only just, so there are five. More
than 0.1 % above llama.cpp's in their geometric mean is a failure.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

TEXTS, BYTES = 5, 50_000
PACKAGES = ["pytest", "numpy", "httpx", "ollama", "tokenizers", "openai", "anyio", "charset-normalizer", "h11", "httpcore", "huggingface_hub",
            "idna", "Jinja2", "pexpect", "pydantic"]  # fmt: skip
ALLOWED = 1.001


def texts():
    """Each without a line's end as its last byte, which llama-perplexity would drop."""
    everything = "\n".join(importlib.metadata.metadata(name).get_payload() for name in PACKAGES).encode()
    return [everything[i * BYTES : (i + 1) * BYTES].decode(errors="ignore").strip().encode() for i in range(TEXTS)]


def ours(programs, model, file, threads):
    run = subprocess.run([programs / "bench_perplexity", model, file, str(threads)], capture_output=True, text=True, check=True)
    perplexity, scored = run.stdout.split()
    return float(perplexity), int(scored)


def theirs(peer, model, file, threads):
    run = subprocess.run([peer, "-m", model, "-f", file, "-c", "512", "-t", str(threads)], capture_output=True, text=True, check=True)
    return float(re.search(r"Final estimate: PPL = ([\d.]+)", run.stdout + run.stderr)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.gguf")
    parser.add_argument("--programs", required=True, type=pathlib.Path)
    parser.add_argument("--peer", required=True, type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()

    failed = False
    record = {"texts": [hashlib.sha256(text).hexdigest() for text in texts()], "models": {}}
    print(f"{'':40} {'mlxr':>10} {'llama.cpp':>10}   ratio")
    for model in options.models:
        record["models"][model.name] = results = [one_text(options, model, text) for text in texts()]
        mean = {who: statistics.geometric_mean(result[who] for result in results) for who in ("mlxr", "llama.cpp")}
        print_row(f"{model.name}, mean", mean)
        failed |= mean["mlxr"] > ALLOWED * mean["llama.cpp"]
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if failed:
        sys.exit("MLXR's perplexity is more than 0.1 % above llama.cpp's.")


def one_text(options, model, text):
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(text)
        file.flush()
        perplexity, scored = ours(options.programs, model, file.name, options.threads)
        result = {"mlxr": perplexity, "llama.cpp": theirs(options.peer, model, file.name, options.threads), "tokens": scored}
    print_row(f"{model.name}, {scored} tokens", result)
    return result


def print_row(title, result):
    print(f"{title:40} {result['mlxr']:10.4f} {result['llama.cpp']:10.4f}   {result['mlxr'] / result['llama.cpp']:.5f}", flush=True)


if __name__ == "__main__":
    main()
