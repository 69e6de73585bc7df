"""Many clients of the daemon at once, with the scenarios of bugs that people reported of other servers. Answers are compared with those given alone.

More of them, on tiny models: tests/core/engine/reports_test.cpp.
"""

import concurrent.futures
import contextlib
import json

import pytest
from programs import MODEL, MODELS, Daemon, Mlx, require_model, wait_for

GEMMA_FILE = MODELS / "gemma-3-270m-q4_k_m.gguf"
QUESTIONS = [f"What is the {what} of {where}?" for what in ("capital", "language", "flag", "climate") for where in ("France", "Peru", "Japan", "Kenya")]
GREEDY = {"num_predict": 24, "temperature": 0}


def ask(client, question, model=MODEL, **options):
    request = {"model": model, "messages": [{"role": "user", "content": question}], "stream": False, "options": GREEDY | options}
    return client.post("/api/chat", json=request)


def said(answer):
    return answer.raise_for_status().json()["message"]["content"]


def at_once(daemon, questions, **options):
    """The answers to all questions, each asked by a client of its own."""

    def one(question):
        with daemon.client() as client:
            return ask(client, question, **options)

    with concurrent.futures.ThreadPoolExecutor(len(questions)) as clients:
        return list(clients.map(one, questions))


def engine(client):
    return client.get("/mlxr/status").json()["engine"]


def test_the_same_question_of_eight_clients_has_one_answer(daemon):
    """llama.cpp#7052, ollama#5636: at temperature 0, eight slots gave five to eight different texts."""
    with daemon.client() as client:
        alone = said(ask(client, QUESTIONS[0]))
    assert {said(answer) for answer in at_once(daemon, [QUESTIONS[0]] * 8)} == {alone}


def test_sixteen_questions_at_once_get_their_own_answers(daemon):
    """mlx-lm#965: of sixteen concurrent requests, some got the answers of others."""
    with daemon.client() as client:
        alone = [said(ask(client, question)) for question in QUESTIONS]
    assert [said(answer) for answer in at_once(daemon, QUESTIONS)] == alone


def test_four_requests_fill_a_small_context_each(home):
    """llama.cpp#10072: the context was divided among four slots, and three of the answers were nonsense."""
    Mlx(home).import_model()
    one = Daemon(home, "context: 128\n").start()
    with one.client() as client:
        alone = said(ask(client, QUESTIONS[0], num_predict=-1))
        for answer in at_once(one, [QUESTIONS[0]] * 4, num_predict=-1):
            assert said(answer) == alone
    assert one.stop() == 0


def test_a_short_probe_beside_a_long_prompt_of_a_model_with_windows(home):
    """mlx-lm#983: caches of sliding windows could not be joined when two prompts of different lengths came at once."""
    require_model()
    if not GEMMA_FILE.exists():
        pytest.skip(f"{GEMMA_FILE.name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
    Mlx(home).import_model(GEMMA_FILE, "gemma3:270m")
    one = Daemon(home, "context: 2048\n").start()
    prompts = ["Hi", "one two three four " * 200 + "five", "red green blue " * 30]  # the second is longer than the window of 512

    def complete(prompt):
        request = {"model": "gemma3:270m", "prompt": prompt, "raw": True, "stream": False, "options": GREEDY}
        with one.client() as client:
            return client.post("/api/generate", json=request).raise_for_status().json()["response"]

    alone = [complete(prompt) for prompt in prompts]
    with concurrent.futures.ThreadPoolExecutor(6) as clients:
        assert list(clients.map(complete, prompts * 2)) == alone * 2
    assert one.stop() == 0


def test_a_stream_that_is_read_late_has_all_of_its_text(daemon):
    """sgl-project/sglang#19977: what a client had not read yet was overwritten by what came after it."""
    request = {"model": MODEL, "prompt": "Once upon a time", "raw": True, "options": GREEDY | {"num_predict": 120}}
    with daemon.client() as client:
        whole = client.post("/api/generate", json=request | {"stream": False}).json()["response"]
        with contextlib.ExitStack() as stack:
            late = [stack.enter_context(client.stream("POST", "/api/generate", json=request)) for _ in range(4)]
            with daemon.client() as other:
                wait_for(lambda: engine(other)["running"] == 0)
            for answer in late:
                assert "".join(json.loads(line)["response"] for line in answer.iter_lines()) == whole


def test_the_daemon_answers_while_it_reads_a_long_prompt(daemon):
    """ikawrakow/ik_llama.cpp#1210: nothing else was answered until the prompt had been read."""
    with daemon.client() as client:
        before = engine(client)
        with daemon.post("/api/generate", {"model": MODEL, "prompt": "many words " * 3000, "raw": True}):
            wait_for(lambda: engine(client)["running"] == 1)
            for route in ("/api/version", "/api/tags", "/api/ps", "/v1/models", "/mlxr/status"):
                assert client.get(route).status_code == 200
            now = engine(client)
            assert now["running"] == 1 and now["tokens_generated"] == before["tokens_generated"]  # it is still at it
        wait_for(lambda: engine(client)["running"] == 0)


def test_a_model_that_is_unloaded_while_it_answers_ends_its_answers(own_daemon):
    def answer(start):
        count = {"model": MODEL, "prompt": f"Count to one thousand: {start}, {start + 1}, {start + 2},", "raw": True, "stream": False}
        with own_daemon.client() as client:
            return client.post("/api/generate", json=count | {"options": GREEDY | {"num_predict": 400}}).raise_for_status().json()["response"]

    with own_daemon.client() as client, concurrent.futures.ThreadPoolExecutor(3) as clients:
        alone = [answer(start) for start in (1, 20, 300)]
        running = [clients.submit(answer, start) for start in (1, 20, 300)]
        wait_for(lambda: engine(client)["running"] == 3)
        client.post("/api/generate", json={"model": MODEL, "keep_alive": 0}).raise_for_status()
        assert [one.result() for one in running] == alone
        wait_for(lambda: not client.get("/api/ps").json()["models"])
        assert answer(1) == alone[0]
