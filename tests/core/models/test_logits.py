"""Logits of the real models agree with the independent NumPy forward pass, on MLX expressions and on every variant of the kernel pack."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "reference"))
import forward  # noqa: E402  (tests/reference/forward.py)

BUILD = pathlib.Path(os.environ.get("MLXR_BUILD_DIR", ROOT / "build" / "dev"))
MODELS = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ROOT / ".deps" / "models"))

# Token ids of ordinary text; more than one KV block, and chunks that do not divide them.
SMOLLM2 = ("SmolLM2-135M-Instruct.Q4_1.gguf", [1, 4093, 198, 28120, 732, 253, 3725, 314, 281, 582, 6330, 30, 2, 198, 1, 520, 9531, 198] + list(range(300, 340)))
GEMMA3 = ("gemma-3-270m-q4_k_m.gguf", [2, 818, 5279, 529, 7001, 563, 9079, 236761] + list(range(1000, 1040)))

# Largest difference of a logit, as a part of the logits' standard deviation. MLX computes in float32 with keys and values in float16;
# the pack also rounds activations to 8 bits a block, as llama.cpp does.
BOUND = {"mlx": 0.02, "pack": 0.35}


def logits(model, variant, chunk, tokens):
    command = [BUILD / "tests" / "logits_tool", model, variant, BUILD / "lib" / "kernels" / "cpu", str(chunk), *map(str, tokens)]
    run = subprocess.run(command, capture_output=True)
    if run.returncode == 77:
        pytest.skip(run.stderr.decode().strip())
    assert run.returncode == 0, run.stderr.decode()
    return np.frombuffer(run.stdout, np.float32).reshape(len(tokens), -1)


@pytest.fixture(scope="module", params=[SMOLLM2, GEMMA3], ids=["smollm2", "gemma3"])
def model(request):
    name, tokens = request.param
    if not (MODELS / name).exists():
        pytest.skip(f"{name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
    return MODELS / name, tokens, forward.Model(MODELS / name).logits(tokens)


@pytest.mark.parametrize("variant", ["mlx", "scalar", "avx2", "avx512", "neon"])
def test_agree_with_the_reference(model, variant):
    path, tokens, want = model
    got = logits(path, variant, 17, tokens)
    difference = np.abs(got - want).max() / want.std()
    same = (got.argmax(1) == want.argmax(1)).mean()
    print(f"{path.name} {variant}: largest difference {difference:.4f} of the standard deviation, same most likely token {same:.0%}")
    assert difference < BOUND["mlx" if variant == "mlx" else "pack"]
    assert same > 0.9
