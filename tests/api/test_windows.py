"""Models that do not keep all of a text, for their local layers see windows only, or their recurrent layers keep a state: served to chats that are longer than a window: prompts that take what earlier ones have stored,
go back to an earlier place, wait for room, or come together. Every answer is the one of a daemon that has computed nothing else.

With random weights: answers mean nothing, and any token that an answer should not see changes it.
"""

import concurrent.futures
import pathlib
import random
import sys

import numpy as np
import pytest
from programs import ROOT, Daemon

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import random_models  # noqa: E402

GEMMA3 = random_models.Shape("gemma3", "default", layers=7, dim=64, heads=2, kv_heads=1, head_dim=32, hidden=128, vocabulary=512, rope_base=1e6, window=50, norms_after=True, qk_norm="head", eps=1e-6)

QWEN35 = random_models.Shape(
    "qwen35",
    "qwen2",
    layers=4,
    dim=64,
    heads=2,
    kv_heads=1,
    head_dim=32,
    hidden=128,
    vocabulary=512,
    recurrence=random_models.Recurrence("delta", attention=(3,), taps=4, heads=4, key_heads=2, key_dim=16, value_dim=16),
    qk_norm="head",
    gated=True,
    mlp_norm="post_attention_norm",
    keys=(("rope.dimension_sections", "add_array", [3, 3, 2, 0]),),
)


@pytest.fixture(scope="module", params=[GEMMA3, QWEN35], ids=lambda shape: shape.architecture)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("windows") / "model.gguf"
    random_models.write(path, request.param, np.float32)
    return path


# The narrow ones hold some 1200 tokens.
@pytest.fixture(params=["kv: 64M\n", "kv: 1M\n", "kv: 512K\nkv_type: q8_0\n", "kv: 1M\nkernels: mlx\n"], ids=["roomy", "narrow", "narrow-q8_0", "narrow-mlx"])
def server(request, home, model):
    one = Daemon(home, request.param + "context: 1024\n").start()
    yield Server(one, model, roomy="64M" in request.param)
    assert one.stop() == 0


def draw(seed, count):
    numbers = random.Random(seed)
    return [numbers.randrange(500) for _ in range(count)]


class Server:
    def __init__(self, daemon, model: pathlib.Path, roomy: bool):
        self.daemon, self.model, self.roomy = daemon, str(model), roomy

    def ask(self, prompt, count=24):
        """The tokens of the answer, and how much of the prompt had been computed before."""
        request = {"model": self.model, "prompt": prompt, "max_tokens": count, "temperature": 0, "ignore_eos": True, "logprobs": 0}
        with self.daemon.client() as client:
            answer = client.post("/v1/completions", json=request).raise_for_status().json()
        logprobs = answer["choices"][0]["logprobs"]
        return list(zip(logprobs["tokens"], logprobs["token_logprobs"])), answer["usage"]["prompt_tokens_details"]["cached_tokens"]

    def ask_together(self, prompts):
        with concurrent.futures.ThreadPoolExecutor(len(prompts)) as clients:
            return [answer for answer, _ in clients.map(self.ask, prompts)]

    def forget(self):
        """Unloads the model: what it has stored goes with it."""
        with self.daemon.client() as client:
            client.post("/api/generate", json={"model": self.model, "keep_alive": 0}).raise_for_status()

    def alone(self, prompt):
        self.forget()
        answer, cached = self.ask(prompt)
        assert cached == 0
        return answer


def test_a_chat_that_outgrows_the_window(server):
    """mlx-lm#980: with windows, nothing of a chat's history was used again. waybarrios/vllm-mlx#775: what was used again was wrong."""
    turns = [sum((draw(turn, 60) for turn in range(count + 1)), []) for count in range(8)]
    alone = [server.alone(turn) for turn in turns]
    for number, (turn, want) in enumerate(zip(turns, alone)):
        answer, cached = server.ask(turn)
        assert answer == want, f"turn {number}"
        assert cached > 0 or number == 0


def test_the_same_prompt_again(server):
    """mlx-lm#1215: a prompt that was stored as a whole was answered with nothing."""
    for length in (32, 50, 64, 300):
        want = server.alone(draw(1, length))
        assert [server.ask(draw(1, length))[0] for _ in range(3)] == [want] * 3, length


def test_a_chat_that_goes_back_to_an_earlier_place(server):
    history = draw(2, 500)
    prompts = [history, history[:200] + draw(3, 30), history[:40] + draw(4, 100), history + draw(5, 20), history[:450] + draw(6, 64), history[:200], history]
    alone = [server.alone(prompt) for prompt in prompts]
    assert [server.ask(prompt)[0] for prompt in prompts] == alone


def cached_of_each(server, prompts):
    """How many tokens were not computed again, prompt by prompt. Every answer is the one that is given alone."""
    alone = [server.alone(prompt) for prompt in prompts]
    server.forget()
    asked = [server.ask(prompt) for prompt in prompts]
    assert [answer for answer, _ in asked] == alone
    return [count for _, count in asked]


def test_prompts_that_begin_alike_and_end_differently(server):
    """A common system prompt: from the third chat on, all of it is there."""
    cached = cached_of_each(server, [draw(10, 300) + draw(seed, 40) for seed in range(20, 25)])
    if server.roomy:
        assert cached[0] == 0 and cached[2:] == [288] * 3
    else:
        assert all(count <= 288 for count in cached)


def test_questions_about_a_long_text(server):
    """The second question finds a part of the text, the third one all of it."""
    cached = cached_of_each(server, [draw(11, 800) + draw(seed, 30) for seed in range(30, 34)])
    if server.roomy:
        assert cached[0] == 0 and cached[1] >= 544 and cached[2:] == [800] * 2


def test_chats_of_all_lengths_together(server):
    prompts = [draw(seed, length) for seed, length in enumerate((1, 10, 49, 50, 51, 130, 300, 600))]
    prompts += [draw(7, 400) + draw(seed, 40) for seed in range(20, 24)]  # with a common beginning
    alone = [server.alone(prompt) for prompt in prompts]
    for _ in range(2):
        assert server.ask_together(prompts) == alone
