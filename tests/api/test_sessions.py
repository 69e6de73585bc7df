"""Several requests at a time: each gets its turns, and each can be cancelled at any stage."""

import contextlib
import json

import pytest
from programs import MODEL, Daemon, Mlx, wait_for

LONG = {"model": MODEL, "prompt": "Count to one thousand: 1, 2, 3,", "raw": True, "options": {"num_predict": -1, "temperature": 0}}
SHORT = {"model": MODEL, "prompt": "Hello", "stream": False, "options": {"num_predict": 8, "temperature": 0}}


def send(daemon, request):
    """A request whose connection the test may close at any time."""
    return daemon.post("/api/generate", request)


def engine(client):
    return client.get("/mlxr/status").json()["engine"]


def is_running(client):
    return engine(client)["running"] == 1


@pytest.fixture
def client(daemon):
    with daemon.client() as one:
        yield one
        wait_for(lambda: engine(one)["running"] == engine(one)["waiting"] == 0)


def test_a_short_answer_does_not_wait_for_a_long_one(daemon, client):
    alone = client.post("/api/generate", json=SHORT).json()["response"]
    with client.stream("POST", "/api/generate", json=LONG) as answer, daemon.client() as other:
        lines = answer.iter_lines()
        next(lines)
        for _ in range(3):
            assert other.post("/api/generate", json=SHORT).json()["response"] == alone  # and neither sees the other's tokens
            wait_for(lambda: is_running(other))  # the long one, and by now no other


def test_two_long_answers_advance_together(daemon, client):
    with daemon.client() as other, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(one.stream("POST", "/api/generate", json=LONG)).iter_lines() for one in (client, other)]
        texts = [[], []]
        for _ in range(50):  # a line of each in turn: a stream that had to wait for the other's end would stop here
            for text, lines in zip(texts, streams, strict=True):
                text.append(json.loads(next(lines))["response"])
        assert texts[0] == texts[1]
        with daemon.client() as third:
            assert engine(third)["running"] == 2  # neither has ended


def test_cancelled_while_its_prompt_is_read(daemon, client):
    before = engine(client)
    prompt = {**LONG, "prompt": "many words " * 3000}  # 6000 tokens, 512 a step
    send(daemon, prompt).close()
    wait_for(lambda: engine(client)["cancelled"] == before["cancelled"] + 1)
    assert engine(client)["tokens_generated"] == before["tokens_generated"]


def test_cancelled_while_it_waits(home):
    Mlx(home).import_model()
    one = Daemon(home, "kv: 48M\n").start()  # about 2000 tokens: room for one such prompt and its answer
    prompt = {**LONG, "prompt": "many words " * 600}
    with one.client() as client:
        with send(one, prompt):
            wait_for(lambda: is_running(client))
            waiting = send(one, prompt | {"prompt": "other words " * 600})
            wait_for(lambda: engine(client)["waiting"] == 1)
            waiting.close()
            wait_for(lambda: engine(client)["cancelled"] == 1)
            assert engine(client)["waiting"] == 0 and is_running(client)
        wait_for(lambda: engine(client)["cancelled"] == 2)
        assert client.post("/api/generate", json=SHORT).json()["eval_count"] == 8  # its pages are free again
    assert one.stop() == 0


def test_a_reader_that_stalls_holds_up_nobody(daemon, client):
    with send(daemon, LONG):  # and nothing of its answer is read
        wait_for(lambda: is_running(client))
        assert client.post("/api/generate", json=SHORT).json()["eval_count"] == 8
    wait_for(lambda: engine(client)["running"] == 0)
