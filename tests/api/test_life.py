"""The daemon's life cycle: one at a time, a private socket, clear refusals, graceful stops, and a clean start after a kill."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading

import hostile_gguf
import httpx
import pytest
from programs import LONG_ANSWER, MODEL, MODEL_FILE, Daemon, require_model, wait_for

NOBODY = 65534
# Root may write anywhere. Without these it may not, and still reaches a clone in /root, which another user could not.
AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_the_socket_is_private(empty_daemon):
    assert stat.S_IMODE(empty_daemon.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(empty_daemon.socket.parent.stat().st_mode) == 0o700


def test_a_second_daemon_is_refused_with_the_pid_of_the_first(empty_daemon):
    status, said = Daemon(empty_daemon.home).run_to_end()
    assert status == 3
    assert f"already running (pid {empty_daemon.process.pid})" in said
    with empty_daemon.client() as client:
        assert client.get("/api/version").status_code == 200


def test_a_folder_that_is_not_writable(home):
    one = Daemon(home)
    (home / "run").mkdir(mode=0o500)
    status, said = one.run_to_end(AS_ANYBODY)
    assert status == 1 and str(home / "run") in said and "ermission" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_a_peer_of_another_user_is_refused(empty_daemon):
    empty_daemon.home.chmod(0o755)
    empty_daemon.socket.parent.chmod(0o755)  # as if the private folder had failed
    empty_daemon.socket.chmod(0o666)

    def answer(user):
        os.seteuid(user)  # the peer's user is the one that connects
        try:
            connection = empty_daemon.raw()
        finally:
            os.seteuid(0)
        with connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(99)
        return b""

    assert b"200 OK" in answer(0)
    assert answer(NOBODY) == b""
    assert "refused a connection from another user" in empty_daemon.log()


def test_the_service_manager_is_told(home):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(home / "notify"))
        manager.settimeout(60)
        one = Daemon(home)
        one.environment["NOTIFY_SOCKET"] = str(home / "notify")
        one.start()
        assert manager.recv(99) == b"READY=1"
        one.stop()
        assert manager.recv(99) == b"STOPPING=1"


def test_something_else_lies_where_the_folder_should_be(home):
    (home / "run").write_text("precious")
    status, said = Daemon(home).run_to_end()
    assert status == 1 and str(home / "run") in said
    assert (home / "run").read_text() == "precious"


def test_a_typo_in_server_yaml(home):
    status, said = Daemon(home, "port: 0\nmax_quue: 3\n").run_to_end()
    assert status == 1
    assert "server.yaml:2:" in said and "max_quue" in said


def test_sigterm_and_shutdown_end_with_0(home):
    one = Daemon(home).start()
    assert one.stop() == 0
    assert not one.socket.exists()
    one.start()
    with one.client() as client:
        assert client.post("/mlxr/shutdown").json() == {"status": "stopping"}
    assert one.process.wait(30) == 0


def test_health_without_a_model_says_that_nothing_was_proved(empty_daemon):
    with empty_daemon.client() as client:
        health = client.get("/health").json()
    assert health["status"] == "ok" and health["model"] is None and health["token_ms"] is None
    assert "No model is loaded" in health["message"]


def test_a_stop_lets_a_short_answer_end(own_daemon):
    with own_daemon.client() as client, client.stream("POST", "/api/generate", json={**LONG_ANSWER, "options": {"num_predict": 40, "temperature": 0}}) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        own_daemon.process.send_signal(signal.SIGTERM)
        last = json.loads([first, *lines][-1])
    assert last["done"] and last["eval_count"] == 40
    assert own_daemon.process.wait(30) == 0


def test_kill_during_generation_then_start_again(own_daemon):
    with own_daemon.client() as client, client.stream("POST", "/api/generate", json=LONG_ANSWER) as answer:
        lines = answer.iter_lines()
        next(lines)
        own_daemon.process.kill()
        own_daemon.process.wait()
        with pytest.raises(httpx.HTTPError):
            list(lines)
    assert own_daemon.socket.exists()  # nobody removed it
    own_daemon.start()
    with own_daemon.client() as client:
        assert client.get(f"/health?model={MODEL}").json()["status"] == "ok"


def test_keep_alive_unloads_an_idle_model(own_daemon):
    def loaded():
        with own_daemon.client() as client:
            return client.get("/api/ps").json()["models"]

    with own_daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL, "keep_alive": "200ms"})
    wait_for(lambda: loaded() == [])


def bytes_read(process):
    """By read() and pread(), not through a mapping."""
    counts = dict(line.split(": ") for line in pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines())
    return int(counts["rchar"])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_requests_for_a_model_that_loads_share_the_hash_and_the_load(empty_daemon):
    """A file that no import has hashed. The first request hashes it, and all of them wait for that."""
    require_model()
    file = shutil.copy(MODEL_FILE, empty_daemon.home / "new.gguf")
    before = bytes_read(empty_daemon.process)

    def ask():
        with empty_daemon.client() as client:
            client.post("/api/generate", json={"model": str(file)}).raise_for_status()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    size = MODEL_FILE.stat().st_size
    assert size <= bytes_read(empty_daemon.process) - before < 2.5 * size, "the hash reads the file once, and so does the load"
    assert empty_daemon.log().count("loaded new") == 1


def begin_to_hash(daemon):
    """A request that hashes a hole of 256 GiB, which takes minutes."""
    big = daemon.home / "big.gguf"
    with big.open("wb") as file:
        file.truncate(1 << 38)
    connection = daemon.post("/api/generate", {"model": str(big)})
    wait_for(lambda: any(os.path.realpath(fd) == str(big.resolve()) for fd in pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
    return connection


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_stop_does_not_wait_for_a_hash(home):
    one = Daemon(home).start()
    with begin_to_hash(one):
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(60) == 0
    assert "cancelling answers" not in one.log()  # nor for the ten seconds that an answer gets
    assert not one.socket.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_third_signal_ends_it_at_once(home):
    """Where even a cancelled request does not end: it waits for the registry, which another process has locked."""
    one = Daemon(home).start()
    model, idle = hostile_gguf.model(), one.threads()
    with contextlib.closing(sqlite3.connect(home / "registry.sqlite", isolation_level=None)) as registry, contextlib.ExitStack() as waiting:
        registry.execute("BEGIN IMMEDIATE")
        for number in range(4):  # each waits ten seconds, one after the other
            (home / f"{number}.gguf").write_bytes(model)
            waiting.enter_context(one.post("/api/show", {"model": str(home / f"{number}.gguf")}))
        wait_for(lambda: one.threads() >= idle + 4)
        for said in ("stopping", "cancelling answers"):
            one.process.send_signal(signal.SIGINT)
            wait_for(lambda said=said: said in one.log())
        wait_for(lambda: one.process.send_signal(signal.SIGINT) or one.process.poll() is not None)
        assert one.process.wait() == -signal.SIGINT


def test_tcp_needs_the_token_and_a_local_name(home):
    port = free_port()
    one = Daemon(home, f"port: {port}\n").start()
    try:
        token = next(home.rglob("capability_token")).read_text().strip()
        address = f"http://127.0.0.1:{port}/api/version"
        good = {"Authorization": f"Bearer {token}"}
        refused = httpx.get(address)
        assert refused.status_code == 401 and "mlx token show" in refused.text
        assert httpx.get(address, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx.get(address, headers=good).status_code == 200
        assert httpx.get(address, headers={**good, "Host": "evil.example"}).status_code == 403
        assert httpx.get(address, headers={**good, "Origin": "https://evil.example"}).status_code == 403
        for path in ("/etc/hostname", "x://../../../../../../etc/hostname", "file:///etc/hostname", "x.gguf", "..", "./x", "a\u0000b"):
            by_path = httpx.post(f"http://127.0.0.1:{port}/api/generate", headers=good, json={"model": path, "prompt": "a"})
            assert by_path.status_code == 400 and "GGUF" not in by_path.text and "no file" not in by_path.text, (path, by_path.text)
            shown = httpx.post(f"http://127.0.0.1:{port}/api/show", headers=good, json={"model": path})
            assert shown.status_code == 400, (path, shown.text)
    finally:
        assert one.stop() == 0


def test_a_port_that_is_taken(home):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        status, said = Daemon(home, f"port: {port}\n").run_to_end()
    assert status == 1 and str(port) in said


def test_without_a_port_nothing_listens_on_tcp(empty_daemon):
    sockets = subprocess.run(["ls", "-l", f"/proc/{empty_daemon.process.pid}/fd"], capture_output=True, text=True, check=True).stdout
    inodes = {part.split("[")[1].rstrip("]") for part in sockets.split() if part.startswith("socket:[")}
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{empty_daemon.process.pid}/net/{table}") as lines:
            assert not inodes & {line.split()[9] for line in list(lines)[1:]}
