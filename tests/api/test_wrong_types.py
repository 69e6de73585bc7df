"""Every field of every route with a value of every type: a wrong type is a 400 that names the field."""

import json

import pytest

VALUES = {"boolean": True, "integer": 3, "number": 0.5, "string": "text", "array": [[]], "object": {"a": 1}}
ACCEPTS = {"boolean": {"boolean"}, "integer": {"integer"}, "number": {"integer", "number"}, "string": {"string"}, "array": {"array"}, "object": {"object"},
           "text or list": {"string"}, "duration": {"integer", "number"}}  # fmt: skip

OPENAI = {"model": "string", "stream": "boolean", "max_tokens": "integer", "temperature": "number", "top_p": "number", "presence_penalty": "number",
          "frequency_penalty": "number", "seed": "integer", "stop": "text or list"}  # fmt: skip
OLLAMA = {"model": "string", "stream": "boolean", "options": "object", "logprobs": "boolean", "top_logprobs": "integer", "keep_alive": "duration"}
OPTIONS = {"temperature": "number", "top_k": "integer", "top_p": "number", "min_p": "number", "repeat_penalty": "number", "repeat_last_n": "integer",
           "presence_penalty": "number", "frequency_penalty": "number", "seed": "integer", "num_predict": "integer", "num_ctx": "integer", "stop": "text or list",
           "num_thread": "integer", "use_mmap": "boolean"}  # fmt: skip
MESSAGES = [{"role": "user", "content": "Hello"}]

ROUTES = {
    "/v1/chat/completions": ({"messages": MESSAGES}, {**OPENAI, "messages": "array", "max_completion_tokens": "integer", "logprobs": "boolean"}),
    "/v1/completions": ({"prompt": "Hello"}, {**OPENAI, "echo": "boolean", "logprobs": "integer"}),
    "/api/chat": ({"messages": MESSAGES}, {**OLLAMA, "messages": "array"}),
    "/api/generate": ({"prompt": "Hello"}, {**OLLAMA, "prompt": "string", "system": "string", "context": "array", "raw": "boolean"}),
    "/api/show": ({}, {"model": "string"}),
    "/api/pull": ({}, {"model": "string", "stream": "boolean", "accept_license": "boolean"}),
}


def message_of(answer):
    error = answer.json()["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize("route", ROUTES)
def test_wrong_types(daemon, route):
    base, fields = ROUTES[route]
    with daemon.client() as client:
        for field, kind in fields.items():
            for value in (VALUES[name] for name in VALUES.keys() - ACCEPTS[kind]):
                answer = client.post(route, json={"model": "nobody:1b", **base, field: value})
                assert answer.status_code == 400 and field in message_of(answer), f"{field}: {json.dumps(value)} is {answer.status_code} {answer.text}"
        # A model that nobody has is the only thing that is wrong here.
        assert client.post(route, json={"model": "nobody:1b", **base}).status_code == 404


@pytest.mark.parametrize("route", ["/api/chat", "/api/generate"])
def test_wrong_types_of_options(daemon, route):
    base, _ = ROUTES[route]
    with daemon.client() as client:
        for option, kind in OPTIONS.items():
            for value in (VALUES[name] for name in VALUES.keys() - ACCEPTS[kind]):
                answer = client.post(route, json={"model": "nobody:1b", **base, "options": {option: value}})
                assert answer.status_code == 400 and option in message_of(answer), f"{option}: {json.dumps(value)} is {answer.status_code} {answer.text}"


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize(
    "messages",
    [["Hello"], [{}], [{"role": "user"}], [{"content": "Hello"}], [{"role": 1, "content": "Hello"}], [{"role": "king", "content": "Hello"}],
     [{"role": "user", "content": 1}], [{"role": "user", "content": [{"type": "image_url"}]}], [{"role": "user", "content": ["Hello"]}],
     [{"role": "user", "content": "Hello", "mood": "good"}]],
)  # fmt: skip
def test_wrong_messages(daemon, route, messages):
    with daemon.client() as client:
        answer = client.post(route, json={"model": "smollm2:135m", "messages": messages})
    assert answer.status_code == 400 and "messages" in message_of(answer)


def test_no_messages(daemon):
    with daemon.client() as client:
        answer = client.post("/v1/chat/completions", json={"model": "smollm2:135m", "messages": []})
        assert answer.status_code == 400 and "messages" in message_of(answer)
        # For Ollama this means: load the model.
        assert client.post("/api/chat", json={"model": "smollm2:135m", "messages": []}).json()["done_reason"] == "load"


@pytest.mark.parametrize("prompt", ["", [], [[]], ["a", "b"], [1, "a"], [-1], [10**9], [1.5], 7, {"a": 1}])
def test_wrong_prompts(daemon, prompt):
    with daemon.client() as client:
        answer = client.post("/v1/completions", json={"model": "smollm2:135m", "prompt": prompt})
    assert answer.status_code == 400 and "prompt" in message_of(answer)


@pytest.mark.parametrize("route", ROUTES)
def test_an_unknown_field_is_named(daemon, route):
    with daemon.client() as client:
        answer = client.post(route, json={"model": "smollm2:135m", **ROUTES[route][0], "sparkle": 1})
    assert answer.status_code == 400 and "sparkle" in message_of(answer)


# A number that is accepted leads on to the model, which nobody has.
EDGES = {"1e400": set(), "-1e400": set(), "NaN": set(), "1e308": set(), "-1": {"max_tokens", "seed"}, "18446744073709551616": set(),
         "18446744073709551615": {"max_tokens", "seed"}, "9223372036854775808": {"max_tokens", "seed"}, "-9223372036854775808": {"seed"},
         "0.1e-400": {"max_tokens", "seed", "temperature", "top_p"}}  # fmt: skip


@pytest.mark.parametrize("number", EDGES)
@pytest.mark.parametrize("field", ["max_tokens", "seed", "temperature", "top_p"])
def test_numbers_at_the_edge(daemon, field, number):
    with daemon.client() as client:
        answer = client.post("/v1/completions", content=f'{{"model": "nobody:1b", "prompt": "a", "{field}": {number}}}')
    assert answer.status_code == (404 if field in EDGES[number] else 400), message_of(answer)
