"""Answers that a model with half a billion parameters gets right, through the whole stack: weights, chat template, tokenizer, sampling, routes.

A wrong tokenizer, a lost system message or a swapped tensor would show in these answers, but in no status code.
"""

import ast
import re

import pytest
from programs import MODELS, Daemon, Mlx, new_home

MODEL_FILE = MODELS / "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf"
MODEL = "qwen2.5-coder:0.5b"


@pytest.fixture(scope="module")
def client():
    if not MODEL_FILE.exists():
        pytest.skip(f"{MODEL_FILE.name} is not in MLXR_TEST_MODELS (scripts/setup stronger-model puts it there)")
    with new_home() as home:
        Mlx(home).import_model(MODEL_FILE, MODEL)
        daemon = Daemon(home).start()
        with daemon.client() as client:
            yield client
        assert daemon.stop() == 0


def openai_answer(client, messages):
    answer = client.post("/v1/chat/completions", json={"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 80})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]


def ollama_answer(client, messages):
    answer = client.post("/api/chat", json={"model": MODEL, "messages": messages, "stream": False, "options": {"temperature": 0, "num_predict": 80}})
    return answer.raise_for_status().json()["message"]["content"]


def ask(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(params=[openai_answer, ollama_answer], ids=["openai", "ollama"])
def answer(request, client):
    return lambda messages: request.param(client, messages)


@pytest.mark.parametrize(("country", "capital"), [("France", "Paris"), ("Japan", "Tokyo"), ("Egypt", "Cairo")])
def test_it_knows_capitals(answer, country, capital):
    assert capital in answer(ask(f"What is the capital of {country}? Answer with one word."))


def test_it_follows_an_instruction(answer):
    assert answer(ask("Reply with exactly: pong")).strip() == "pong"


def test_it_writes_a_function_that_works(answer):
    text = answer(ask("Write a Python function add(a, b) that returns their sum. Only code."))
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    (function,) = ast.parse(code).body
    assert ast.unparse(function.body[-1]) == "return a + b"


def test_it_obeys_the_system_message(answer):
    system = {"role": "system", "content": "You are a parrot. Whatever the user says, you reply only with the word: squawk"}
    assert "squawk" in answer([system, *ask("Tell me about the weather.")]).lower()


def test_it_remembers_an_earlier_turn(answer):
    turns = [*ask("My name is Ada."), {"role": "assistant", "content": "Nice to meet you, Ada."}, *ask("What is my name? One word.")]
    assert "Ada" in answer(turns)


def test_it_continues_an_answer_that_was_begun(answer):
    assert answer([*ask("What is the capital of France?"), {"role": "assistant", "content": "The capital of France is"}]).startswith(" Paris")

