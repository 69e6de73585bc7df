"""Greedy output of the daemon agrees with llama.cpp's, wherever rounding cannot decide.

The daemon answers with 64 tokens; llama.cpp then runs the same tokens and says at every step which it finds most likely, so that one step
where they differ does not derail those after it. Both round activations to 8 bits, and neither repeats the other's roundings (test_logits.py
says why): where llama.cpp's first token leads the daemon's by less than rounding can move such a lead, both are right. How much that is, the
NumPy reference tells of this very text: the most that it moves the lead of one of the two best tokens over the other. Each side may move so much.
"""

import numpy as np
from peer import peer_logits
from programs import MODEL
from real_models import SMOLLM2, require
from forward import Model, Rounding  # tests/reference/forward.py

STEPS = 64


def what_rounding_moves(path, tokens, first):
    model = Model(path, Rounding.CACHE)
    exact = model.logits(tokens)[first:]
    model.rounding = Rounding.PACK
    rounded = model.logits(tokens)[first:]
    rows, best = np.arange(len(exact))[:, None], np.argsort(-exact, axis=1)[:, :2]
    return float(np.abs(np.diff((rounded - exact)[rows, best], axis=1)).max())


def test_64_tokens_agree_with_llama_cpp(daemon):
    path = require(SMOLLM2[0])
    with daemon.client() as client:
        request = {"model": MODEL, "prompt": "Write a story about a dragon.", "stream": False, "options": {"num_predict": STEPS, "temperature": 0}}
        answer = client.post("/api/generate", json=request).json()
    assert answer["eval_count"] == STEPS
    tokens, first = answer["context"], answer["prompt_eval_count"] - 1
    assert len(tokens) == first + 1 + STEPS

    peer = peer_logits(path, tokens[:-1], first)
    moves = what_rounding_moves(path, tokens[:-1], first)
    decided = sum(best[0][1] - best[1][1] > 2 * moves for best in peer)
    differ = [(step, best) for step, (best, token) in enumerate(zip(peer, tokens[first + 1 :], strict=True)) if best[0][0] != token]
    print(f"rounding moves a lead by up to {moves:.2f}; {decided} of {STEPS} steps are decided; {len(differ)} differ")
    assert decided > STEPS / 2  # else this shows nothing
    for step, best in differ:
        lead = best[0][1] - dict(best).get(tokens[first + 1 + step], -np.inf)
        assert lead < 2 * moves, f"step {step}: llama.cpp prefers {best[0][0]} to {tokens[first + 1 + step]} by {lead:.2f}"
