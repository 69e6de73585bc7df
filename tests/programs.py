"""The real programs, each with its own data folder, and the real starter model in place."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import httpx
import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("MLXR_BUILD_DIR", ROOT / "build" / "dev"))
MODELS = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ROOT / ".deps" / "models"))
MODEL_FILE = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "smollm2:135m"
LONG_RUN = ("run", MODEL, "Write a story about a dragon, chapter by chapter.", "--temperature", "0", "--max-tokens", "2000")  # it takes all of them
LONG_ANSWER = {"model": MODEL, "prompt": "Count to one thousand: 1, 2, 3,", "raw": True, "options": {"num_predict": 4000}}


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


class Mlx:
    """`mlx` under `home`: call it with its words. It starts mlxrunnerd by itself; stop() ends that one."""

    def __init__(self, home, **environment):
        self.home = pathlib.Path(home)
        self.environment = {**os.environ, "MLXR_HOME": str(self.home), "TERM": "xterm-256color", **environment}
        self.environment.pop("NO_COLOR", None)

    def __call__(self, *words, stdin=""):
        return subprocess.run([BUILD / "bin" / "mlx", *words], env=self.environment, input=stdin, capture_output=True, text=True, timeout=120)

    def json(self, *words):
        run = self(*words, "--json")
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    def start(self, *words):
        """For what is interrupted, or runs beside the test."""
        return subprocess.Popen([BUILD / "bin" / "mlx", *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)  # fmt: skip

    def on_terminal(self, *words, columns=80):
        """For what people do: a pexpect child on a terminal of its own."""
        return pexpect.spawn(str(BUILD / "bin" / "mlx"), list(map(str, words)), env=self.environment, encoding="utf-8", timeout=60,
                             dimensions=(24, columns))  # fmt: skip

    def import_model(self, file=MODEL_FILE, name=MODEL):
        require_model()
        self("import", file, "--name", name).check_returncode()

    def stop(self):
        run = self("stop")
        assert run.returncode == 0, run.stderr


class Daemon:
    """One mlxrunnerd under `home`. It is ready when start() returns."""

    def __init__(self, home, config=""):
        self.home = pathlib.Path(home)
        self.socket = self.home / "run" / "mlxrunner.sock"
        self.environment = {**os.environ, "MLXR_HOME": str(self.home)}
        self.config = self.home / "server.yaml"
        self.config.write_text(config)
        self.process = None

    def run_to_end(self, user=()):
        """For a daemon that must refuse to start: its status and what it said. `user` is a command that runs it with other rights."""
        run = subprocess.run([*user, BUILD / "bin" / "mlxrunnerd"], env=self.environment, capture_output=True, text=True, timeout=60)
        return run.returncode, run.stderr

    def start(self, user=()):
        """`user` is as in run_to_end()."""
        log = open(self.home / "stderr.log", "ab")  # noqa: SIM115  (the daemon keeps it)
        self.process = subprocess.Popen([*user, BUILD / "bin" / "mlxrunnerd"], env=self.environment, stderr=log, stdout=log)
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"mlxrunnerd ended with {self.process.returncode}: {self.log()}")
            with contextlib.suppress(httpx.HTTPError), self.client() as client:
                client.get("/api/version")
                return self
            time.sleep(0.02)
        raise RuntimeError(f"mlxrunnerd did not answer within a minute: {self.log()}")

    def log(self):
        return (self.home / "stderr.log").read_text()

    def client(self, **options):
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://localhost", timeout=120, **options)

    def raw(self):
        """A plain connection, for what no HTTP client would send."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(str(self.socket))
        return connection

    def post(self, route, request, method="POST"):
        """Sends a request, and returns its connection without reading the answer: the test may close it at any time."""
        body = json.dumps(request)
        connection = self.raw()
        connection.sendall(f"{method} {route} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return connection

    def threads(self):
        """How many there are: one more for each request that is worked on. Linux only."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def new_home():
    # Not tmp_path: a socket's path may hold 107 bytes only.
    home = tempfile.mkdtemp(prefix="mlxr-")
    try:
        yield pathlib.Path(home)
    finally:
        shutil.rmtree(home)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own at `folder`, which is made."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk needs root: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder, leave):
    """Makes the disk full but for `leave` bytes."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / "filler").write_bytes(b"x" * max(0, free - leave))


def begin_download(partial, file, size):
    """What a pull leaves that was interrupted (store/partial_file.h)."""
    partial.mkdir(parents=True, exist_ok=True)
    (partial / file).write_bytes(b"x" * size)
    (partial / "state.json").write_text(json.dumps({"identity": "0", "file": file}))


def require_model():
    if not MODEL_FILE.exists():
        pytest.skip(f"{MODEL_FILE.name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
