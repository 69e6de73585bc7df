"""llama.cpp, as npm has it compiled."""

import json
import subprocess

import pytest
from real_models import ROOT


def peer_logits(path, tokens, first):
    """llama.cpp's ten best after each of tokens[first:], as [[id, logit], ...]."""
    if not (ROOT / ".deps" / "peer-node" / "node_modules").exists():
        pytest.skip("llama.cpp is not in .deps/peer-node (scripts/setup peer-node puts it there)")
    command = [ROOT / "scripts" / "peer-node", ROOT / "tests" / "peer" / "logits.cjs", path, str(first), *map(str, tokens)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[[")]  # it prints notes between them
