"""Models in memory: one copy each, and idle models are unloaded when memory is needed."""

import contextlib
import json
import os
import re
import shutil
import subprocess

import httpx
import pytest
from programs import BUILD, LONG_ANSWER, MODEL, MODEL_FILE, MODELS, Daemon, Mlx, require_model, wait_for

ENDLESS = {**LONG_ANSWER, "options": {"num_predict": -1, "temperature": 0}}  # as far as the context goes
GEMMA_FILE = MODELS / "gemma-3-270m-q4_k_m.gguf"


def names(client):
    return [model["name"] for model in client.get("/api/ps").json()["models"]]


@contextlib.contextmanager
def daemon_with(home, config):
    require_model()
    if not GEMMA_FILE.exists():
        pytest.skip(f"{GEMMA_FILE.name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
    one = Daemon(home, config)
    Mlx(home).import_model()
    Mlx(home).import_model(GEMMA_FILE, "gemma3:270m")
    one.start()
    with one.client() as client:
        yield one, client
    assert one.stop() == 0


def test_a_model_loads_once_under_all_its_names(own_daemon, tmp_path):
    link, copy = tmp_path / "link.gguf", tmp_path / "copy.gguf"
    link.symlink_to(MODEL_FILE.resolve())
    shutil.copy(MODEL_FILE, copy)
    with own_daemon.client() as client:
        for name in (MODEL, "smollm2", str(MODEL_FILE.resolve()), str(link), str(copy)):
            client.post("/api/generate", json={"model": name}).raise_for_status()
        assert names(client) == [MODEL]
    assert own_daemon.log().count(" loaded ") == 1


def test_a_model_is_shown_the_same_from_memory_as_from_its_file(own_daemon):
    with own_daemon.client() as client:
        from_file = client.post("/api/show", json={"model": MODEL}).json()
        client.post("/api/generate", json={"model": MODEL}).raise_for_status()
        assert client.post("/api/show", json={"model": MODEL}).json() == from_file and from_file["template"]


def test_a_load_that_fails_leaves_what_is_loaded(own_daemon):
    with own_daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL}).raise_for_status()
        damaged = own_daemon.home / "damaged.gguf"
        damaged.write_bytes(MODEL_FILE.read_bytes()[: 1 << 20])
        assert client.post("/api/generate", json={"model": str(damaged)}).status_code == 500
        assert names(client) == [MODEL]


def test_the_longest_idle_model_makes_room(home):
    with daemon_with(home, "kv: 64M\nmemory: 400M\n") as (daemon, client):
        client.post("/api/generate", json={"model": MODEL}).raise_for_status()
        client.post("/api/generate", json={"model": "gemma3:270m"}).raise_for_status()
        assert names(client) == ["gemma3:270m"]
        assert f"unloaded {MODEL} to make room" in daemon.log()


def test_a_model_in_use_is_not_unloaded_for_another(home):
    with daemon_with(home, "kv: 64M\nmemory: 400M\n") as (daemon, client), daemon.client() as other:
        with client.stream("POST", "/api/generate", json=ENDLESS) as answer:
            lines = answer.iter_lines()  # kept: its end would close the stream
            next(lines)
            refused = other.post("/api/generate", json={"model": "gemma3:270m"})
            assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
            assert names(other) == [MODEL]


def test_layers_with_windows_keep_a_window(home):
    """Gemma 3 270M: 15 of 18 layers see 512 tokens, 1 KB each in a layer. Of 8192 tokens they keep the window, 64 behind it, a step of 512 tokens, and a block."""
    with daemon_with(home, "context: 8192\n") as (_, client):
        client.post("/api/generate", json={"model": "gemma3:270m"}).raise_for_status()
        client.post("/api/generate", json={"model": MODEL}).raise_for_status()
        saved = {model["name"]: model["saved_by_windows"] for model in client.get("/mlxr/status").json()["models"]}
        assert saved == {MODEL: 0, "gemma3:270m": 15 * 1024 * (8192 - 512 - 64 - 512 - 32)}
        [header, *rows] = Mlx(home)("ps").stdout.splitlines()
        assert header.endswith("SAVED BY WINDOWS")
        assert {row.split()[0]: row.endswith("109 MB of each context") for row in rows} == {MODEL: False, "gemma3:270m": True}


def test_a_model_larger_than_the_limit_is_refused_with_both_numbers(home):
    with daemon_with(home, "kv: 64M\nmemory: 200M\n") as (_, client):
        refused = client.post("/api/generate", json={"model": "gemma3:270m"})
        assert refused.status_code == 507
        assert re.search(r"needs (29|30)\d MiB", refused.json()["error"]) and "limit is 200 MiB" in refused.json()["error"]


def test_when_too_many_wait_the_next_is_503(home):
    with daemon_with(home, "max_queue: 1\nkv: 48M\n") as (daemon, client), contextlib.ExitStack() as stack:
        request = {**ENDLESS, "prompt": "many words " * 600}  # there is room for one such prompt, so that the second waits
        for count in ("running", "waiting"):
            stack.enter_context(daemon.post("/api/generate", request))
            wait_for(lambda count=count: client.get("/mlxr/status").json()["engine"][count] == 1)
        for route, more in (("/api/generate", {}), ("/v1/completions", {"max_tokens": 1})):
            refused = client.post(route, json={"model": MODEL, "prompt": "a", **more})
            assert refused.status_code == 503 and refused.headers["Retry-After"] == "1", refused.text
            assert "1 requests are waiting" in json.dumps(refused.json()["error"])


@pytest.mark.parametrize("megabytes", range(500, 1300, 100))
def test_too_little_memory_is_an_error_and_not_the_end(home, megabytes):
    """Under `ulimit -v`, whatever it is that finds no memory: the start, the load or the answer."""
    Mlx(home).import_model()
    Daemon(home).config.write_text("threads: 2\n")
    with (home / "stderr.log").open("w") as log:
        process = subprocess.Popen(["sh", "-c", f'ulimit -c 0 -v {megabytes * 1000}; exec "$0"', BUILD / "bin" / "mlxrunnerd"],
                                   env={**os.environ, "MLXR_HOME": str(home)}, stdout=log, stderr=log)  # fmt: skip
    socket = home / "run" / "mlxrunner.sock"
    wait_for(lambda: socket.exists() or process.poll() is not None)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://localhost", timeout=120) as client:
        for _ in range(2) if process.poll() is None else ():
            answer = client.post("/api/generate", json={"model": MODEL, "prompt": "Hello", "stream": False, "options": {"num_predict": 2}})
            assert answer.status_code == 200 or "memory" in answer.json()["error"], answer.text
    process.terminate()
    assert process.wait(60) in (0, 1), (home / "stderr.log").read_text()


def test_a_cache_of_half_the_size(home):
    """kv_type: q8_0 holds a context in about half the memory, and its answer begins like that of f16."""
    said, limits = {}, {}
    for kind in ("f16", "q8_0"):
        with daemon_with(home, f"context: 512\nkv_type: {kind}\n") as (_, client):
            options = {"temperature": 0, "num_predict": 12}
            request = {"model": MODEL, "prompt": "What is a computer?", "stream": False, "options": options}
            answer = client.post("/api/generate", json=request)
            said[kind] = answer.json()["response"]
            limits[kind] = client.get("/mlxr/status").json()["models"][0]["cache_limit"]
    assert said["f16"].split()[:4] == said["q8_0"].split()[:4]
    assert limits["q8_0"] < 0.6 * limits["f16"]


def test_a_cache_that_the_plain_expressions_do_not_have(home):
    with daemon_with(home, "kernels: mlx\nkv_type: q8_0\n") as (_, client):
        answer = client.post("/api/generate", json={"model": MODEL, "prompt": "Hello"})
        assert answer.status_code >= 400 and "kv_type" in answer.json()["error"]
