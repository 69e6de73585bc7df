"""Invalid input from clients: each is answered with a clear error, and the daemon keeps running."""

import os
import time

import httpx
import pytest
from programs import MODEL, MODEL_FILE, Daemon, new_home, require_model

LARGE = 100 << 20


def read_answer(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data.decode()


def is_well(daemon):
    with daemon.client() as client:
        return client.get("/api/version").status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nul", b'"text"', b"\xff\xfe", b'{"model": "\xff"}', b"{" * 1000])
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/completions", "/api/generate", "/api/chat", "/api/show", "/api/pull"])
def test_malformed_json(empty_daemon_for_module, route, body):
    with empty_daemon_for_module.client() as client:
        response = client.post(route, content=body)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.fixture(scope="module")
def empty_daemon_for_module():
    with new_home() as folder:
        one = Daemon(folder).start()
        yield one
        assert one.stop() == 0


def test_deep_nesting(empty_daemon_for_module):
    with empty_daemon_for_module.client() as client:
        response = client.post("/api/chat", content=b'{"a":' + b"[" * 1_000_000)
    assert response.status_code == 400
    assert is_well(empty_daemon_for_module)


def test_large_body_is_refused_unread(empty_daemon_for_module):
    connection = empty_daemon_for_module.raw()
    connection.sendall(f"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n".encode())
    assert read_answer(connection).startswith("HTTP/1.1 413 ")  # before a byte of it was sent


def test_large_body_from_a_real_client(empty_daemon_for_module):
    with empty_daemon_for_module.client() as client:
        response = client.post("/api/chat", content=b"x" * LARGE)
    assert response.status_code == 413
    assert is_well(empty_daemon_for_module)


def test_large_chunked_body(empty_daemon_for_module):
    connection = empty_daemon_for_module.raw()
    connection.sendall(b"POST /api/chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(LARGE >> 20):
            connection.sendall(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
    except OSError:
        pass  # the daemon closed it, as it should
    assert "413" in read_answer(connection)[:20]


def test_a_large_body_is_not_kept(home):
    def peak():
        with open(f"/proc/{one.process.pid}/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))

    one = Daemon(home).start()
    before = peak()
    with one.client() as client:
        for body in (b"x" * LARGE, iter([b"x" * (1 << 20)] * 100)):
            try:
                assert client.post("/api/chat", content=body).status_code == 413
            except httpx.WriteError:
                pass  # it was still sending when the daemon closed
    assert peak() - before < LARGE  # a chunked body is read up to the limit of 32 MiB
    assert one.stop() == 0


def test_slow_head_is_ended(empty_daemon_for_module):
    connection = empty_daemon_for_module.raw()
    connection.sendall(b"GET /api/version HT")
    begin = time.monotonic()
    assert read_answer(connection).startswith("HTTP/1.1 408 ")
    assert time.monotonic() - begin < 30


def test_a_crowd_of_slow_clients_holds_up_nobody(empty_daemon_for_module):
    crowd = [empty_daemon_for_module.raw() for _ in range(300)]
    for i, connection in enumerate(crowd):  # heads and bodies, a byte at a time
        connection.sendall(b"G" if i % 2 else b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    for _ in range(5):
        assert is_well(empty_daemon_for_module)
        for connection in crowd:
            connection.sendall(b"x")
    for connection in crowd:
        connection.close()


def test_a_head_that_is_too_long(empty_daemon_for_module):
    connection = empty_daemon_for_module.raw()
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000)
    assert read_answer(connection).startswith("HTTP/1.1 431 ")


@pytest.mark.parametrize("text", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"hello\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_is_not_http(empty_daemon_for_module, text):
    connection = empty_daemon_for_module.raw()
    connection.sendall(text + b"\r\n\r\n")
    assert read_answer(connection).startswith("HTTP/1.1 400 ")


def test_two_requests_at_once_on_one_connection(empty_daemon_for_module):
    connection = empty_daemon_for_module.raw()
    get = b"GET /api/version HTTP/1.1\r\nHost: x\r\n"
    connection.sendall(get + b"\r\n" + get + b"Connection: close\r\n\r\n")
    assert read_answer(connection).count("HTTP/1.1 200 OK") == 2


def test_client_gone_mid_stream_stops_its_generation(daemon):
    def engine():
        with daemon.client() as client:
            return client.get("/mlxr/status").json()["engine"]

    cancelled = engine()["cancelled"]
    request = {"model": "smollm2:135m", "prompt": "Count to one thousand: 1, 2, 3,", "raw": True, "options": {"num_predict": 4000}}
    for stream in (True, False):
        connection = daemon.post("/api/generate", {**request, "stream": stream})
        deadline = time.monotonic() + 60
        while engine()["running"] == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        connection.close()
        while engine()["running"] > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine()["running"] == 0
    assert engine()["cancelled"] == cancelled + 2


@pytest.mark.parametrize(
    ("damage", "status", "said"),
    [("truncated", 500, "the file ends at byte"), ("hole", 500, "is damaged"), ("empty", 500, "is empty"), ("text", 400, "not a GGUF file"),
     ("version", 400, "version 9"), ("tensor type", 400, "token_embd.weight")],
)  # fmt: skip
def test_a_damaged_model_is_refused_and_the_others_answer(daemon, tmp_path, damage, status, said):
    require_model()
    whole = MODEL_FILE.read_bytes()
    type_at = whole.index(b"token_embd.weight") + len("token_embd.weight") + 4 + 2 * 8  # after the count of dimensions and both of them
    bad = {
        "truncated": whole[: len(whole) // 2],
        "hole": whole[:2000] + b"\xff" * 2000 + whole[4000:],
        "text": b"Dear reader,\n" * 1000,
        "empty": b"",
        "version": whole[:4] + b"\x09" + whole[5:],
        "tensor type": whole[:type_at] + b"\xef\0\0\0" + whole[type_at + 4 :],
    }[damage]
    assert bad != whole
    file = tmp_path / "bad.gguf"
    file.write_bytes(bad)
    with daemon.client() as client:
        for route in ("/api/generate", "/v1/completions"):
            refused = client.post(route, json={"model": str(file), "prompt": "a"})
            assert (refused.status_code, said in refused.text) == (status, True), refused.text
        assert client.get(f"/health?model={MODEL}").status_code == 200


def test_a_path_is_a_model_over_the_unix_socket(daemon):
    with daemon.client() as client:
        answer = client.post("/api/generate", json={"model": str(MODEL_FILE.resolve()), "prompt": "a", "stream": False, "options": {"num_predict": 1}})
        assert answer.status_code == 200, answer.text
        assert client.post("/api/generate", json={"model": "../" + os.path.basename(MODEL_FILE), "prompt": "a"}).status_code == 400
