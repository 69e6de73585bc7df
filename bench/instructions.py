"""Instructions that one more token takes, on one thread: a figure that a noisy machine does not change much.

    instructions.py --programs build/release/bench MODEL.gguf…

bench_decode runs twice, for a few tokens and for some more, and the difference is divided by theirs: loading and the prompt cancel out.
`perf stat` counts where the processor's counters can be read, else valgrind's callgrind (scripts/setup bench installs it), which is slow and
knows no AVX-512; so the AVX2 variant is counted in both cases.
"""

import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

FEW, MORE = 2, 10
VARIANT = "avx2" if platform.machine() == "x86_64" else "auto"


def perf(command, environment):
    run = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", *command], env=environment, capture_output=True, text=True)
    counted = re.search(r"^(\d+),", run.stderr, re.MULTILINE)
    return int(counted[1]) if run.returncode == 0 and counted else None


def callgrind(command, environment):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], env=environment, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"valgrind failed: {run.stderr[-2000:]}")
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def per_token(programs, model, variant=VARIANT):
    """{"instructions", "counted_by", "variant"}, or None where nothing can count."""
    command = [programs / "bench_decode", model]
    environment = {**os.environ, "MLXR_KERNELS": variant}
    for counter in (perf, callgrind):
        if not shutil.which({perf: "perf", callgrind: "valgrind"}[counter]):
            continue
        few, more = (counter([*command, str(tokens), "1"], environment) for tokens in (FEW, MORE))
        if few and more:
            return {"instructions": (more - few) // (MORE - FEW), "counted_by": counter.__name__, "variant": variant}
    print("instructions per token are not counted: this machine shows no counters to perf, and has no valgrind (scripts/setup bench installs it)",
          file=sys.stderr)  # fmt: skip
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL.gguf")
    parser.add_argument("--programs", required=True, type=pathlib.Path)
    options = parser.parse_args()
    for model in options.models:
        print(model.name, per_token(options.programs, model))


if __name__ == "__main__":
    main()
