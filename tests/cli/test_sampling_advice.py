"""The sampling options that a model's authors recommend: for whoever asks for nothing else, and shown."""

import json
import pathlib
import sys

import pytest
from programs import Daemon

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "core" / "formats"))
import hostile_folder  # noqa: E402
import hostile_gguf  # noqa: E402
from dump_tool import write  # noqa: E402

SEEDS = range(4)


@pytest.fixture
def advised(empty, tmp_path):
    """A client of a daemon with two models of random weights: `greedy`, whose authors recommend top_k 1, and `free`, without advice."""
    for name, keys in {"greedy": {"general.sampling.top_k": (hostile_gguf.I32, 1), "general.sampling.top_p": (hostile_gguf.F32, 0.5)}, "free": {}}.items():
        (tmp_path / f"{name}.gguf").write_bytes(hostile_gguf.model(keys=keys))
        empty("import", str(tmp_path / f"{name}.gguf")).check_returncode()
    daemon = Daemon(empty.home).start()
    with daemon.client() as client:
        yield client
    daemon.stop()


def ollama(client, model, seed, **options):
    request = {"model": model, "prompt": "abc", "raw": True, "stream": False, "options": {"seed": seed, "num_predict": 12, **options}}
    return client.post("/api/generate", json=request).json()["response"]


def openai(client, model, seed, **options):
    return client.post("/v1/completions", json={"model": model, "prompt": "abc", "seed": seed, "max_tokens": 12, **options}).json()["choices"][0]["text"]


@pytest.mark.parametrize("ask", [ollama, openai])
def test_advice_is_taken_where_the_request_asks_for_nothing(advised, ask):
    assert len({ask(advised, "free", seed) for seed in SEEDS}) > 1
    assert {ask(advised, "greedy", seed) for seed in SEEDS} == {ask(advised, "greedy", 0, temperature=0)}


@pytest.mark.parametrize("ask", [ollama, openai])
def test_the_value_of_the_request_wins(advised, ask):
    assert len({ask(advised, "greedy", seed, top_k=0, top_p=1) for seed in SEEDS}) > 1


def test_advice_is_shown(advised, empty):
    shown = advised.post("/api/show", json={"model": "greedy"}).json()["parameters"]
    assert [line.split() for line in shown.splitlines()] == [["top_k", "1"], ["top_p", "0.5"]]
    assert advised.post("/api/show", json={"model": "free"}).json()["parameters"] == ""
    assert empty.json("show", "greedy")["sampling"] == {"top_k": 1, "top_p": 0.5}
    assert "sampling        top_k 1, top_p 0.5\n" in empty("show", "greedy").stdout
    assert "sampling" not in empty("show", "free").stdout


@pytest.mark.parametrize(
    "config, sampling",
    [
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9}),
        ({"top_k": 64, "repetition_penalty": 1.05}, {"top_k": 64, "repeat_penalty": 1.05}),
        ({"do_sample": False, "temperature": 0.6}, {"temperature": 0}),
        ({"do_sample": True, "temperature": -1, "min_p": 2}, {}),
        ({"eos_token_id": 1}, {}),
    ],
)
def test_a_folders_generation_config_is_advice(empty, tmp_path, config, sampling):
    write(tmp_path / "model", hostile_folder.folder() | {"generation_config.json": json.dumps(config).encode()})
    assert empty.json("show", str(tmp_path / "model"))["sampling"] == sampling
