"""Every field with every value that asks for nothing: null, "", [], {}, 0, false, and the defaults that the API documents.

A row says how a field is treated: OBEYED fields take values of their type and refuse others; NEUTRAL fields are accepted if they ask for
nothing and refused otherwise; ADVISORY fields are accepted with any value. docs/api.md lists the same."""

import json

import pytest
from programs import MODEL, Daemon, Mlx, new_home

EMPTY = [None, "", [], {}, 0, False]
MESSAGES = [{"role": "user", "content": "Hi"}]
ABSENT = object()

# field: (what it accepts besides null, what it refuses)
OPENAI = {
    "stream": ([False], ["", [], {}, 0]), "stream_options": ([{}, {"include_usage": False}, {"include_obfuscation": True}], ["", [], 0, False]),
    "max_tokens": ([0, -1, 16, 10**12], ["", [], {}, False, -2]), "max_completion_tokens": ([0, -1, 16], ["", [], {}, False]),
    "temperature": ([0, 1], ["", [], {}, False]), "top_p": ([0, 1], ["", [], {}, False]), "presence_penalty": ([0], ["", [], {}, False]),
    "frequency_penalty": ([0], ["", [], {}, False]), "seed": ([0, -1, 2**64 - 1, -(2**63)], ["", [], {}, False]), "stop": (["", [], [""]], [{}, 0, False]),
    "n": ([1], ["", [], {}, 0, False, 2]), "top_k": ([0, -1, 40, 10**9], ["", [], {}, False]), "min_p": ([0], ["", [], {}, False]),
    "repeat_penalty": ([1], ["", [], {}, False, 0]), "repetition_penalty": ([1], ["", [], {}, False, 0]), "ignore_eos": ([False], ["", [], {}, 0]),
    "logit_bias": (["", [], {}, 0, False], [{"7": 1}]),
    "user": (["", "ada", [], {}, 0, False], []), "cache_prompt": ([True, *EMPTY], []),
}  # fmt: skip
ROUTES = {
    "/v1/chat/completions": (
        {"messages": MESSAGES, "max_tokens": 1, "stop": [*"aeiou"]},
        {**OPENAI, "logprobs": ([False], ["", [], {}, 0]), "top_logprobs": ([0], ["", [], {}, False, 1]), "tools": (EMPTY, [[{"type": "function"}], "a"]),
         "response_format": ([*EMPTY, {"type": "text"}], [{"type": "json_object"}]), "tool_choice": ([*EMPTY, "none", "auto"], ["required"]),
         "functions": (EMPTY, [[{"name": "f"}]]), "function_call": ([*EMPTY, "none", "auto"], [{"name": "f"}]), "modalities": ([*EMPTY, ["text"]], [["audio"]]),
         "store": (EMPTY, [True]), "audio": (EMPTY, [{"voice": "a"}]), "reasoning_effort": ([*EMPTY, "none"], ["high"]),
         "web_search_options": (EMPTY, [{"search_context_size": "low"}]), "metadata": ([*EMPTY, {"a": "b"}], []), "parallel_tool_calls": ([*EMPTY, True], []),
         "prediction": ([*EMPTY, {"type": "content", "content": "a"}], []), "prompt_cache_key": ([*EMPTY, "a"], []), "prompt_cache_retention": ([*EMPTY, "24h"], []),
         "safety_identifier": ([*EMPTY, "a"], []), "service_tier": ([*EMPTY, "auto", "default", "flex"], []), "verbosity": ([*EMPTY, "medium"], [])},
    ),
    "/v1/completions": (
        {"prompt": "Hi", "max_tokens": 1, "stop": [*"aeiou"]},
        {**OPENAI, "echo": ([False], ["", [], {}, 0]), "logprobs": ([0], ["", [], {}, False]), "best_of": ([1], ["", [], {}, 0, False, 2]), "suffix": (EMPTY, ["b"])},
    ),
}  # fmt: skip
OLLAMA = {
    "stream": ([False], ["", [], {}, 0]), "keep_alive": (["5m", 300, -1], ["", [], {}, False]), "options": ([{}], ["", [], 0, False]),
    "logprobs": ([False], ["", [], {}, 0]), "top_logprobs": ([0], ["", [], {}, False, 1]), "format": (EMPTY, ["json", {"type": "object"}]),
    "think": (EMPTY, [True, "high"]), "truncate": ([*EMPTY, True], []), "shift": ([*EMPTY, True], []), "_debug_render_only": (EMPTY, [True]),
}  # fmt: skip
ROUTES["/api/chat"] = ({"messages": MESSAGES, "stream": False, "options": {"num_predict": 1}}, {**OLLAMA, "tools": (EMPTY, [[{"type": "function"}]])})
ROUTES["/api/generate"] = (
    {"prompt": "Hi", "stream": False, "options": {"num_predict": 1}},
    {**OLLAMA, "system": ([""], [[], {}, 0, False]), "context": ([[]], ["", {}, 0, False]), "raw": ([False], ["", [], {}, 0]), "suffix": (EMPTY, ["b"]),
     "template": (EMPTY, ["{{ .Prompt }}"]), "images": (EMPTY, [["aGk="]])},
)  # fmt: skip
OPTIONS = {
    "temperature": ([0, 0.8], ["", [], {}, False]), "top_k": ([0, -1, 40, 10**9], ["", [], {}, False]), "top_p": ([0, 0.9], ["", [], {}, False]),
    "min_p": ([0], ["", [], {}, False]), "typical_p": ([1], ["", [], {}, False, 0.5]), "repeat_penalty": ([1], ["", [], {}, False]),
    "repeat_last_n": ([0, -1, 64, 10**12], ["", [], {}, False]), "presence_penalty": ([0], ["", [], {}, False]), "frequency_penalty": ([0], ["", [], {}, False]),
    "seed": ([0, -1], ["", [], {}, False]), "num_predict": ([1], ["", [], {}, False]), "num_ctx": ([0, -1, 64, 10**12], ["", [], {}, False]),
    "stop": (["", [], [""]], [{}, 0, False]), "num_keep": ([0, 4], ["", [], {}, False]), "num_batch": ([0, 512], ["", [], {}, False]),
    "num_gpu": ([0, -1], ["", [], {}, False]), "num_thread": ([0], ["", [], {}, False]), "use_mmap": ([False, True], ["", [], {}, 0]),
}  # fmt: skip
MESSAGE = {
    "role": (["user", "User", "system", "developer"], ["", [], {}, 0, False, "tool", "function"]),
    "content": (["", "Hi", [], [{"type": "text", "text": "Hi"}]], [{}, 0, False]),
    "name": (EMPTY, ["ada"]), "images": (EMPTY, [["aGk="]]), "thinking": (EMPTY, ["Hm."]), "tool_calls": (EMPTY, [[{"type": "function"}]]),
    "tool_call_id": (EMPTY, ["a"]), "tool_name": (EMPTY, ["a"]), "function_call": (EMPTY, [{"name": "f"}]), "refusal": (EMPTY, ["No."]),
    "audio": (EMPTY, [{"id": "a"}]), "annotations": (EMPTY, [[{"type": "url_citation"}]]),
}  # fmt: skip
PART = {
    "type": (["text"], ["", [], {}, 0, False, "image_url", "input_audio", "file"]), "text": (["", "Hi"], [[], {}, 0, False]),
    "annotations": (EMPTY, [[{"type": "url_citation"}]]), "cache_control": ([*EMPTY, {"type": "ephemeral"}], []),
}  # fmt: skip
CHATS = ["/v1/chat/completions", "/api/chat"]
CASES = [(route, field) for route, (_, fields) in ROUTES.items() for field in fields]


def message_of(answer):
    error = answer.json()["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.fixture(scope="module")
def client():
    """A field that asks for nothing may be the one that limits the answer: the context, which is short, does so then."""
    with new_home() as home:
        Mlx(home).import_model()
        daemon = Daemon(home, "context: 256\n").start()
        with daemon.client() as one:
            yield one
        assert daemon.stop() == 0


def check(client, route, field, body_with, accepted, refused):
    for value in accepted:
        answer = client.post(route, json=body_with(value))
        assert answer.status_code == 200, f"{field}: {json.dumps(value)} is refused: {answer.text}"
    for value in refused:
        answer = client.post(route, json=body_with(value))
        assert answer.status_code == 400 and field in message_of(answer), f"{field}: {json.dumps(value)} is {answer.status_code}: {answer.text[:200]}"


@pytest.mark.parametrize(("route", "field"), CASES)
def test_every_field(client, route, field):
    base, fields = ROUTES[route]
    check(client, route, field, lambda value: {"model": MODEL, **base, field: value}, [None, *fields[field][0]], fields[field][1])


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option(client, option):
    base, _ = ROUTES["/api/chat"]
    check(client, "/api/chat", option, lambda value: {"model": MODEL, **base, "options": {"num_predict": 1, option: value}}, [None, *OPTIONS[option][0]], OPTIONS[option][1])


@pytest.mark.parametrize("route", CHATS)
@pytest.mark.parametrize("field", MESSAGE)
def test_every_field_of_a_message(client, route, field):
    base, _ = ROUTES[route]
    nothing = [] if field == "role" else [None]
    accepted, refused = MESSAGE[field]
    check(client, route, field, lambda value: {"model": MODEL, **base, "messages": [{**MESSAGES[0], field: value}]}, [*nothing, *accepted], refused)


@pytest.mark.parametrize("route", CHATS)
@pytest.mark.parametrize("field", PART)
def test_every_field_of_a_part(client, route, field):
    base, _ = ROUTES[route]
    nothing = [None] if field in ("annotations", "cache_control") else []
    accepted, refused = PART[field]
    check(client, route, field, lambda value: {"model": MODEL, **base, "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", field: value}]}]},
          [*nothing, *accepted], refused)  # fmt: skip


# The same wish in both families: the fields of each, and what must be alike.
PROMPT = "Count to one hundred: 1, 2, 3,"
WISHES = {
    "nothing special": ({}, {}),
    "a seed": ({"seed": 7, "temperature": 1}, {"seed": 7, "temperature": 1, "top_k": 0, "top_p": 1, "repeat_last_n": -1}),
    "a stop string": ({"stop": [" 9"]}, {"stop": [" 9"]}),
    "many stop strings": ({"stop": [*"abcdefghijklmnopqrstuvwxyz", " 9"]}, {"stop": [*"abcdefghijklmnopqrstuvwxyz", " 9"]}),
    "an empty stop string": ({"stop": ""}, {"stop": ""}),
    "more tokens than there is room for": ({"max_tokens": 10**9, "stop": [" 9"]}, {"num_predict": 10**9, "stop": [" 9"]}),
    "no limit": ({"max_tokens": -1, "stop": [" 9"]}, {"num_predict": -1, "stop": [" 9"]}),
    "few candidates": ({"top_k": 1, "temperature": 2}, {"top_k": 1, "temperature": 2}),
}


@pytest.mark.parametrize("wish", WISHES)
def test_both_families_grant_the_same_wish(client, wish):
    openai, options = WISHES[wish]
    one = client.post("/v1/completions", json={"model": MODEL, "prompt": PROMPT, "max_tokens": 24, "temperature": 0, **openai})
    other = client.post("/api/generate", json={"model": MODEL, "prompt": PROMPT, "raw": True, "stream": False, "options": {"num_predict": 24, "temperature": 0, **options}})
    assert one.status_code == other.status_code == 200, (one.text, other.text)
    choice, answer = one.json()["choices"][0], other.json()
    assert (choice["text"], choice["finish_reason"]) == (answer["response"], answer["done_reason"])
    assert one.headers.get("Warning") == other.headers.get("Warning")


def test_a_seed_of_minus_one_is_random_in_both_families(client):
    def openai():
        body = {"model": MODEL, "prompt": "Once upon a time", "seed": -1, "temperature": 1, "max_tokens": 16}
        return client.post("/v1/completions", json=body).json()["choices"][0]["text"]

    def ollama():
        body = {"model": MODEL, "prompt": "Once upon a time", "raw": True, "stream": False, "options": {"seed": -1, "temperature": 1, "num_predict": 16}}
        return client.post("/api/generate", json=body).json()["response"]

    for text in (openai, ollama):
        assert len({text() for _ in range(4)}) > 1


def test_text_offset_counts_characters(client):
    body = {"model": MODEL, "prompt": "Liste en français: été, café, ", "logprobs": 1, "temperature": 0, "max_tokens": 10}
    choice = client.post("/v1/completions", json=body).json()["choices"][0]
    text, logprobs = choice["text"], choice["logprobs"]
    assert not text.isascii()
    for offset, token in zip(logprobs["text_offset"], logprobs["tokens"], strict=True):
        assert "\ufffd" in token or text[offset:].startswith(token), (offset, token, text)
