"""Perplexity by MLXR's engine and by llama.cpp's llama-perplexity: same file, same text, same definition (bench_perplexity.cpp), their ratio.

    perplexity.py --programs build/release/bench --peer llama-perplexity MODEL.gguf… [--json FILE]

The text is 50,000 bytes of the descriptions that the Python packages pinned in scripts/requirements/test.txt carry (prose and code): the
same on every machine, and in no need of a copy here. More than 0.1 % above llama.cpp's is a failure.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BYTES = 50_000
ALLOWED = 1.001


def text():
    """Without a line's end as its last byte, which llama-perplexity would drop."""
    parts = [importlib.metadata.metadata(name).get_payload() for name in ("pytest", "numpy", "httpx", "ollama", "tokenizers", "openai")]
    return "\n".join(parts).encode()[:BYTES].decode(errors="ignore").strip().encode()


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

    record = {"text": hashlib.sha256(text()).hexdigest(), "models": {}}
    print(f"{'':40} {'mlxr':>10} {'llama.cpp':>10}   ratio")
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(text())
        file.flush()
        for model in options.models:
            perplexity, scored = ours(options.programs, model, file.name, options.threads)
            peer = theirs(options.peer, model, file.name, options.threads)
            record["models"][model.name] = {"mlxr": perplexity, "llama.cpp": peer, "tokens": scored}
            print(f"{model.name:40} {perplexity:10.4f} {peer:10.4f}   {perplexity / peer:.5f}  ({scored} tokens scored)", flush=True)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if any(model["mlxr"] > ALLOWED * model["llama.cpp"] for model in record["models"].values()):
        sys.exit("MLXR's perplexity is more than 0.1 % above llama.cpp's.")


if __name__ == "__main__":
    main()
