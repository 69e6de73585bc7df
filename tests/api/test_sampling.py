"""Sampling over both APIs: every setting has its documented effect."""

import json
import math

import pytest
from programs import MODEL

PROMPT = "The colours of the rainbow are"
TOKENS = 24


@pytest.fixture
def client(daemon):
    with daemon.client() as one:
        yield one


def ollama(client, **options):
    request = {"model": MODEL, "prompt": PROMPT, "raw": True, "stream": False, "options": {"num_predict": TOKENS, **options}}
    return client.post("/api/generate", json=request).raise_for_status().json()["response"]


def openai(client, **settings):
    request = {"model": MODEL, "prompt": PROMPT, "max_tokens": TOKENS, **settings}
    return client.post("/v1/completions", json=request).raise_for_status().json()["choices"][0]["text"]


@pytest.mark.parametrize("api", [ollama, openai])
def test_the_same_seed_gives_the_same_text_and_another_seed_another(client, api):
    first = api(client, seed=7, temperature=1)
    assert api(client, seed=7, temperature=1) == first
    assert api(client, seed=8, temperature=1) != first


@pytest.mark.parametrize("api", [ollama, openai])
def test_without_a_seed_texts_differ(client, api):
    assert len({api(client, temperature=1) for _ in range(4)}) > 1


def test_seed_minus_one_is_no_seed_for_ollama(client):
    assert len({ollama(client, seed=-1, temperature=1) for _ in range(4)}) > 1


def test_a_temperature_of_zero_needs_no_seed(client):
    assert ollama(client, temperature=0) == ollama(client, temperature=0, seed=3) == openai(client, temperature=0)


@pytest.mark.parametrize("only_the_best", [{"top_k": 1}, {"top_p": 0}, {"min_p": 1}])
def test_what_leaves_one_token_is_greedy(client, only_the_best):
    assert ollama(client, temperature=5, seed=1, **only_the_best) == ollama(client, temperature=0)


def test_openai_has_top_p(client):
    assert openai(client, temperature=2, seed=1, top_p=0) == openai(client, temperature=0)


@pytest.mark.parametrize("penalty", [{"repeat_penalty": 1.5}, {"presence_penalty": 1.5}, {"frequency_penalty": 1.5}])
def test_each_penalty_of_ollama_has_an_effect(client, penalty):
    plain = ollama(client, temperature=0)
    assert ollama(client, temperature=0, **penalty) != plain
    assert ollama(client, temperature=0, repeat_last_n=0, **penalty) == plain  # it looks back at nothing


@pytest.mark.parametrize("penalty", ["presence_penalty", "frequency_penalty"])
def test_each_penalty_of_openai_has_an_effect(client, penalty):
    plain, less, more = (openai(client, temperature=0, **{penalty: strength}) for strength in (0, 1.5, -2))
    assert less != plain
    assert len(set(more.split())) < len(set(less.split()))  # a negative penalty is a reward: it says the same again and again


def test_logprobs_are_the_distribution_that_greedy_takes_the_best_of(client):
    request = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "temperature": 0, "logprobs": True, "top_logprobs": 20}
    answer = client.post("/v1/chat/completions", json=request).json()["choices"][0]
    tokens = answer["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer["message"]["content"]
    for token in tokens:
        top = [one["logprob"] for one in token["top_logprobs"]]
        assert len(top) == 20 and top == sorted(top, reverse=True) and top[0] == token["logprob"] < 0
        assert 0.1 < sum(map(math.exp, top)) <= 1.00001


def test_logprobs_do_not_depend_on_how_the_token_was_drawn(client):
    def first(**settings):
        request = {"model": MODEL, "prompt": PROMPT, "max_tokens": 1, "logprobs": 5, **settings}
        return client.post("/v1/completions", json=request).json()["choices"][0]["logprobs"]["top_logprobs"][0]

    assert first(temperature=0) == first(temperature=2, seed=1, top_p=0.5, presence_penalty=1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_ends_the_text_before_it(client, stream):
    def text(**options):
        request = {"model": MODEL, "prompt": "Count: 1, 2, 3, 4,", "raw": True, "stream": stream, "options": {"temperature": 0, "num_predict": 24, **options}}
        lines = [line for line in client.post("/api/generate", json=request).text.splitlines() if line]
        objects = [json.loads(line) for line in lines]
        return "".join(one["response"] for one in objects), objects[-1]["done_reason"]

    free, _ = text()
    assert ", 7" in free
    assert text(stop=["nothing of this", ", 7"]) == (free[: free.index(", 7")], "stop")
