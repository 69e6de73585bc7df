"""Every failure has its exit code (docs/man/mlx.1, EXIT STATUS), whether mlx finds it or the daemon reports it, even in the middle of an answer."""

import http.server
import json
import re
import socketserver
import threading

import pytest
from programs import MODEL, ROOT

# What the daemon names its errors (platform/include/mlxrunner/result.h), and the exit code of each.
CODES = {
    "invalid_argument": 2, "not_found": 3, "already_exists": 1, "unsupported": 13, "corrupt": 7, "io": 1, "no_space": 8, "permission": 9, "network": 5,
    "license": 4, "context_exceeded": 10, "overloaded": 11, "cancelled": 6, "version": 12, "internal": 1,
}  # fmt: skip
# Without one of these names, the HTTP status decides.
STATUSES = {400: 2, 401: 9, 403: 9, 404: 3, 413: 2, 500: 1, 503: 11}


class StandIn(socketserver.ThreadingUnixStreamServer):
    """A daemon that fails as `failure` says: (HTTP status, the lines of its answer)."""

    daemon_threads = True
    failure = (200, [])
    status = {}  # of /mlxr/status


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def send(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.send(200, json.dumps(self.server.status))

    def do_POST(self):
        self.server.asked = self.path, self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/mlxr/open":
            return self.send(404, json.dumps({"error": "There is nothing at /mlxr/open."}))  # as daemons before it answer
        if self.path == "/api/show":
            return self.send(200, json.dumps({"template": "{{ messages }}"}))
        status, lines = self.server.failure
        self.send(status, "".join(json.dumps(line) + "\n" for line in lines))

    def address_string(self):
        return "unix"


@pytest.fixture
def stand_in(empty):
    (empty.home / "run").mkdir(mode=0o700)
    (empty.home / "model.gguf").write_text("GGUF")  # only its path goes to this daemon
    with StandIn(str(empty.home / "run" / "mlxrunner.sock"), Handler) as server:
        server.status = {"version": empty("--version").stdout.split()[1], "pid": 1}
        threading.Thread(target=server.serve_forever).start()
        yield lambda status, *lines: (setattr(server, "failure", (status, lines)), empty("run", empty.home / "model.gguf", "Hello"))[1]
        server.shutdown()
    (empty.home / "run" / "mlxrunner.sock").unlink()


def test_each_error_of_the_daemon(stand_in):
    for code, expected in CODES.items():
        run = stand_in(400, {"error": "The reason.", "code": code})
        assert (run.returncode, run.stdout) == (expected, ""), code
        assert run.stderr == "mlx: The reason.\n"


def test_each_error_in_mid_answer(stand_in):
    for code, expected in CODES.items():
        run = stand_in(200, {"message": {"content": "Once upon"}, "done": False}, {"error": "The reason.", "code": code})
        assert (run.returncode, run.stdout) == (expected, "Once upon\n"), code
        assert run.stderr == "mlx: The reason.\n"


def test_each_status(stand_in):
    for status, expected in STATUSES.items():
        assert stand_in(status, {"error": "The reason.", "code": "of_its_own"}).returncode == expected, status
        assert stand_in(status).returncode == expected, status


def test_an_answer_without_an_end(stand_in):
    run = stand_in(200, {"message": {"content": "Once upon"}, "done": False})
    assert run.returncode == 6 and "exited in the middle" in run.stderr


def test_the_manual_lists_the_codes():
    declared = re.search(r"enum class ExitCode \{(.*?)\}", (ROOT / "cli" / "failure.h").read_text(), re.S)[1]
    section = (ROOT / "docs" / "man" / "mlx.1").read_text().split('.SH "EXIT STATUS"')[1].split(".SH")[0]
    assert re.findall(r"^\.IP (\d+)", section, re.M) == re.findall(r"= (\d+)", declared)


@pytest.mark.parametrize(
    "words",
    [("nothing",), ("run",), ("run", MODEL, "Hello", "--nope"), ("token",), ("completion", "tcsh"), ("show",), ("ps", "surplus"),
     ("run", MODEL, "Hello", "--temperature", "hot"), ("run", MODEL, "Hello", "--top-p", "2"), ("run", MODEL, "Hello", "--max-tokens", "0.5")],
)  # fmt: skip
def test_a_wrong_command_line(mlx, words):
    run = mlx(*words)
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.startswith("mlx: ")


def test_an_empty_prompt(mlx):
    run = mlx("run", MODEL)
    assert run.returncode == 2 and "prompt is empty" in run.stderr


def test_a_prompt_that_is_too_long(mlx):
    run = mlx("run", MODEL, "--ctx", "64", stdin="many words " * 100)
    assert run.returncode == 10 and "64" in run.stderr


@pytest.mark.parametrize("words", [("run", "nothing:1b", "Hello"), ("show", "nothing:1b"), ("rm", "nothing:1b"), ("stop", "nothing:1b"), ("pull", "nothing:1b"),
                                   ("run", "./nothing.gguf", "Hello"), ("import", "./nothing.gguf")])  # fmt: skip
def test_an_unknown_model(mlx, words):
    run = mlx(*words)
    assert run.returncode == 3 and "nothing" in run.stderr


def test_a_damaged_file(empty, sources):
    bad = empty.home / "bad.gguf"
    bad.write_bytes((sources / "model.gguf").read_bytes()[:-1])
    run = empty("import", bad)
    assert run.returncode == 7 and "bad.gguf" in run.stderr
    bad.write_bytes(b"something else")
    run = empty("import", bad)
    assert run.returncode == 13 and "not a GGUF file" in run.stderr


def test_a_registry_of_a_newer_version(empty):
    import sqlite3

    empty("list")
    with sqlite3.connect(empty.home / "registry.sqlite") as registry:
        registry.execute("update schema_version set version = 1000 where version = 1")
    run = empty("list")
    assert run.returncode == 12 and "newer" in run.stderr


def test_a_home_that_cannot_be(empty):
    empty.environment["MLXR_HOME"] = "relative"
    run = empty("list")
    assert run.returncode == 2 and "MLXR_HOME" in run.stderr
    empty.environment["MLXR_HOME"] = str(empty.home)
