"""The official clients work unchanged, over the Unix socket."""

import httpx
import ollama
import openai
import pytest
from programs import MODEL

QUESTION = [{"role": "user", "content": "Explain what a computer is in one sentence."}]


@pytest.fixture
def openai_client(daemon):
    transport = httpx.HTTPTransport(uds=str(daemon.socket))
    with httpx.Client(transport=transport) as http:
        yield openai.OpenAI(base_url="http://localhost/v1", api_key="none", http_client=http, max_retries=0)


@pytest.fixture
def ollama_client(daemon):
    client = ollama.Client(host="http://localhost")
    client._client = daemon.client()  # it has no option for a transport
    return client


def test_openai_chat(openai_client):
    answer = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_completion_tokens=12, temperature=0)
    assert "omputer" in answer.choices[0].message.content
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_openai_stream_is_the_same_text(openai_client):
    whole = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=24, temperature=0)
    chunks = list(openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=24, temperature=0, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert len(chunks) > 10


def test_openai_same_seed_same_text(openai_client):
    def text(seed):
        return openai_client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=16, seed=seed).choices[0].text

    assert text(7) == text(7)
    assert len({text(seed) for seed in range(4)}) > 1


def test_openai_errors_are_its_exceptions(openai_client):
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.chat.completions.create(model="nobody:1b", messages=QUESTION)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(model=MODEL, messages=QUESTION, response_format={"type": "json_object"})
    assert refused.value.param == "response_format"


def test_openai_models(openai_client):
    assert MODEL in [model.id for model in openai_client.models.list()]
    assert openai_client.models.retrieve(MODEL).id == MODEL


def test_ollama_chat(ollama_client):
    answer = ollama_client.chat(MODEL, QUESTION, options={"temperature": 0, "num_predict": 12})
    assert "omputer" in answer.message.content
    assert answer.eval_count == 12 and answer.total_duration > 0


def test_ollama_generate_stream(ollama_client):
    parts = list(ollama_client.generate(MODEL, "Hello", stream=True, options={"temperature": 0, "num_predict": 6}))
    assert parts[-1].done and parts[-1].done_reason == "length"
    assert "".join(part.response for part in parts)


def test_ollama_context_goes_on(ollama_client):
    first = ollama_client.generate(MODEL, "My name is Ada.", options={"temperature": 0, "num_predict": 8})
    second = ollama_client.generate(MODEL, "Hello", context=first.context, options={"temperature": 0, "num_predict": 1})
    alone = ollama_client.generate(MODEL, "Hello", options={"temperature": 0, "num_predict": 1})
    assert second.prompt_eval_count == alone.prompt_eval_count + len(first.context)


def test_ollama_models(ollama_client):
    assert [model.model for model in ollama_client.list().models] == [MODEL]
    assert ollama_client.show(MODEL).details.family == "llama"


def test_ollama_keep_alive_loads_and_unloads(ollama_client):
    ollama_client.generate(MODEL, keep_alive="10m")
    assert MODEL in [model.model for model in ollama_client.ps().models]
    ollama_client.generate(MODEL, keep_alive=0)
    assert MODEL not in [model.model for model in ollama_client.ps().models]
    with pytest.raises(ollama.ResponseError) as unknown:
        ollama_client.generate("nobody:1b", "a")
    assert unknown.value.status_code == 404
