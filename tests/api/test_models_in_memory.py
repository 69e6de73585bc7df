"""Loading, keeping, sharing and unloading models: contexts, probes, names, cancelled requests, a token that is rotated."""

import json
import os
import pathlib
import shutil
import signal

import httpx
import pytest
from programs import MODEL, MODEL_FILE, Daemon, Mlx, require_model, wait_for
from test_life import free_port


def loaded(client):
    return {model["name"]: model for model in client.get("/api/ps").json()["models"]}


def loads(daemon):
    return daemon.log().count(" loaded ")


def chat(client, **options):
    body = {"model": MODEL, "stream": False, "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 1, **options}}
    return client.post("/api/chat", json=body).raise_for_status()


def test_two_clients_with_different_contexts_share_one_load(own_daemon):
    with own_daemon.client() as client:
        chat(client, num_ctx=4096)
        assert loaded(client)[MODEL]["context_length"] == 4096
        chat(client, num_ctx=8192)  # larger: loaded again
        for wish in (4096, 8192, 2048, 131072, 32768):
            chat(client, num_ctx=wish)
        chat(client)
        assert loaded(client)[MODEL]["context_length"] == 8192
    assert loads(own_daemon) == 2


def test_a_model_whose_cached_weights_were_cut_is_loaded_again(own_daemon):
    """A program that clears a cache may cut files instead of deleting them."""
    with own_daemon.client() as client:
        first = chat(client, temperature=0).json()["message"]
        wait_for(lambda: list((own_daemon.home / "cache").rglob("*.panels")))
        (weights,) = (own_daemon.home / "cache").rglob("*.panels")
        os.truncate(weights, 4096)
        body = {"model": MODEL, "prompt": "Hi", "stream": False, "options": {"num_predict": 1}}
        lost = client.post("/api/generate", json=body)
        assert lost.status_code == 500 and "Try again" in lost.json()["error"]
        assert chat(client, temperature=0).json()["message"] == first
    assert loads(own_daemon) == 2


def test_a_context_is_limited_to_what_the_cache_affords(home):
    Mlx(home).import_model()
    one = Daemon(home, "kv: 48M\n").start()  # some 2000 tokens of this model
    with one.client() as client:
        answer = chat(client, num_ctx=8000)
        there = loaded(client)[MODEL]["context_length"]
        assert 512 < there < 8000 and str(there) in answer.headers["Warning"]
        chat(client, num_ctx=7000)
        chat(client)
    assert loads(one) == 1 and one.stop() == 0


def test_a_configured_context_is_limited_too(home):
    Mlx(home).import_model()
    one = Daemon(home, "context: 100000\n").start()
    with one.client() as client:
        chat(client)
        assert loaded(client)[MODEL]["context_length"] == 8192
    assert one.stop() == 0


def test_a_probe_keeps_no_model_in_memory(own_daemon):
    with own_daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL, "keep_alive": "10m"}).raise_for_status()
        before = loaded(client)[MODEL]["expires_at"]
        assert client.get("/health").json()["model"] == MODEL
        assert client.get(f"/health?model={MODEL}").json()["model"] == MODEL
        assert loaded(client)[MODEL]["expires_at"] == before, "to the microsecond: its time does not begin again"


def test_keep_alive_stays_as_it_was_set(own_daemon):
    with own_daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL, "keep_alive": -1}).raise_for_status()
        body = {"model": MODEL, "prompt": "a", "max_tokens": 1}
        client.post("/v1/completions", json=body).raise_for_status()  # this family has no keep_alive
        assert loaded(client)[MODEL]["expires_at"] > "2100"


def test_health_of_a_file_that_has_no_name(empty_daemon):
    require_model()
    file = empty_daemon.home / "base.gguf"
    shutil.copy(MODEL_FILE, file)
    with empty_daemon.client() as client:
        client.post("/api/generate", json={"model": str(file)}).raise_for_status()
        assert client.get("/health").json() | {"token_ms": 0} == {"status": "ok", "model": "base", "token_ms": 0}
        file.unlink()  # the loaded model goes on
        assert client.get("/health").status_code == 200


def test_a_model_is_unloaded_by_the_path_that_loaded_it(empty_daemon):
    require_model()
    with empty_daemon.client() as client:
        path = str(MODEL_FILE.resolve())
        client.post("/api/generate", json={"model": path}).raise_for_status()
        assert client.post("/api/generate", json={"model": path, "keep_alive": 0}).json()["done_reason"] == "unload"
        assert loaded(client) == {}
        assert client.post("/api/generate", json={"model": path, "keep_alive": 0}).status_code == 200  # it is unloaded already
        assert client.post("/api/generate", json={"model": path + "x", "keep_alive": 0}).status_code == 404


def large_file(daemon):
    """A model file that takes a while to hash, and almost no disk."""
    require_model()
    file = daemon.home / "large.gguf"
    shutil.copy(MODEL_FILE, file)
    os.truncate(file, 20 << 30)
    return file


def ask(daemon, model):
    return daemon.post("/api/generate", {"model": str(model), "prompt": "a"})


def bytes_read(daemon):
    return int(next(line for line in pathlib.Path(f"/proc/{daemon.process.pid}/io").read_text().splitlines() if line.startswith("rchar")).split()[1])


def is_hashing(daemon, since):
    return bytes_read(daemon) > since + (64 << 20)


def test_hashing_ends_when_its_client_goes(empty_daemon):
    file = large_file(empty_daemon)
    before = bytes_read(empty_daemon)
    with ask(empty_daemon, file), ask(empty_daemon, file):
        wait_for(lambda: is_hashing(empty_daemon, before))

    def is_quiet():
        first = bytes_read(empty_daemon)
        with empty_daemon.client() as client:
            client.get("/api/version")
        return bytes_read(empty_daemon) - first < 1 << 20

    wait_for(is_quiet)
    assert bytes_read(empty_daemon) - before < 20 << 30


def test_a_stop_does_not_wait_for_a_large_file(empty_daemon):
    before = bytes_read(empty_daemon)
    with ask(empty_daemon, large_file(empty_daemon)) as client:
        wait_for(lambda: is_hashing(empty_daemon, before))
        empty_daemon.process.send_signal(signal.SIGTERM)  # one signal: nothing else cancels
        answer = client.recv(65536)
        assert b"499" in answer.split(b"\r\n")[0] and b"the model was not loaded" in answer
        assert empty_daemon.process.wait(30) == 0
    assert "cancelled" not in empty_daemon.log()


def test_a_rotated_token_is_revoked_at_once(home):
    port = free_port()
    one = Daemon(home, f"port: {port}\n").start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

        def status(token):
            return client.get("/api/version", headers={"Authorization": f"Bearer {token}"}).status_code

        old = Mlx(home)("token", "show").stdout.strip()
        assert status(old) == 200
        new = Mlx(home)("token", "rotate").stdout.split()[-1]
        assert new != old and (status(old), status(new)) == (401, 200)
    assert one.stop() == 0


def test_a_listed_origin_may_use_tcp(home):
    port = free_port()
    one = Daemon(home, f"port: {port}\norigins: ['app://obsidian.md', 'http://localhost:*']\n").start()
    token = Mlx(home)("token", "show").stdout.strip()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        asked = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = client.options("/v1/chat/completions", headers=asked)
        assert preflight.status_code == 204 and preflight.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
        answer = client.get("/api/version", headers={"Origin": "app://obsidian.md", "Authorization": f"bearer {token}"})
        assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "app://obsidian.md"
        assert client.get("/api/version", headers={"Origin": "app://obsidian.md"}).status_code == 401  # readable by the page, and still closed
        refused = client.options("/v1/chat/completions", headers={**asked, "Origin": "https://evil.example"})
        assert refused.status_code == 403 and "origins" in refused.text
    assert one.stop() == 0


@pytest.mark.parametrize("limit", [10, 12, 16, 24])
def test_few_descriptors_end_in_a_sentence_or_serve(home, limit):
    one = Daemon(home)
    status, said = one.run_to_end(["sh", "-c", f'ulimit -n {limit}; exec timeout 5 "$@"', "sh"])
    assert status in (1, 124), said  # 124: it served until it was told to end
    assert "terminate" not in said and (status == 124 or "mlxrunnerd: " in said)


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/api/chat"])
def test_a_last_message_of_the_assistant_is_continued(daemon, route):
    messages = [{"role": "user", "content": "What is the capital of France?"}, {"role": "assistant", "content": "The capital of France is"}]
    with daemon.client() as client:
        body = {"model": MODEL, "messages": messages, "stream": False}
        limits = {"temperature": 0, "max_tokens": 8} if route.startswith("/v1") else {"options": {"temperature": 0, "num_predict": 8}}
        answer = client.post(route, json={**body, **limits}).raise_for_status().json()
    text = answer["choices"][0]["message"]["content"] if route.startswith("/v1") else answer["message"]["content"]
    assert text.startswith(" Paris")


def test_requests_are_answered_in_http_10(daemon):
    body = json.dumps({"model": MODEL, "prompt": "Hi", "stream": True, "max_tokens": 2})
    with daemon.raw() as connection:
        connection.sendall(f"POST /v1/completions HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        head, _, rest = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert b"chunked" not in head and rest.startswith(b"data: {") and rest.endswith(b"data: [DONE]\n\n")
