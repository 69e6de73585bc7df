"""llama.cpp, as npm has it compiled."""

import json
import subprocess

import numpy as np
import pytest
from real_models import ROOT


def run_peer(script, *arguments):
    """The lines that a script of tests/peer prints."""
    if not (ROOT / ".deps" / "peer-node" / "node_modules").exists():
        pytest.skip("llama.cpp is not in .deps/peer-node (scripts/setup peer-node puts it there)")
    run = subprocess.run([ROOT / "scripts" / "peer-node", ROOT / "tests" / "peer" / script, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def peer_logits(path, tokens, first):
    """llama.cpp's ten best after each of tokens[first:], as [[id, logit], ...]."""
    return [json.loads(line) for line in run_peer("logits.cjs", path, first, *tokens) if line.startswith("[[")]  # it prints notes between them


def peer_embeddings(path, kind, texts):
    """llama.cpp's embeddings (kind "embedding") or scores ("ranking") of texts, each a list of tokens."""
    lines = run_peer("embedding.cjs", path, kind, *(",".join(map(str, tokens)) for tokens in texts))
    return [np.array(json.loads(line)) for line in lines if line.startswith("[")]
