"""Fixtures: the real mlxrunnerd in a folder of its own, with the real starter model where it lies."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import httpx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MLXR_BUILD_DIR", ROOT / "build" / "dev"))
MODELS = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ROOT / ".deps" / "models"))
MODEL_FILE = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "smollm2:135m"
LONG = {"model": MODEL, "prompt": "Count to one thousand: 1, 2, 3,", "raw": True, "options": {"num_predict": 4000}}


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


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
        """For a daemon that must refuse to start: its status and what it said. `user` is a command that runs it as somebody else."""
        run = subprocess.run([*user, BUILD / "bin" / "mlxrunnerd"], env=self.environment, capture_output=True, text=True, timeout=60)
        return run.returncode, run.stderr

    def import_model(self, file=MODEL_FILE, name=MODEL):
        subprocess.run([BUILD / "tests" / "import_tool", file, name], env=self.environment, check=True)

    def start(self):
        log = open(self.home / "stderr.log", "ab")  # noqa: SIM115  (the daemon keeps it)
        self.process = subprocess.Popen([BUILD / "bin" / "mlxrunnerd"], env=self.environment, stderr=log, stdout=log)
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


@pytest.fixture
def home():
    with new_home() as folder:
        yield folder


@pytest.fixture
def empty_daemon(home):
    """A daemon of this test's own, without a model."""
    one = Daemon(home).start()
    yield one
    one.stop()


def require_model():
    if not MODEL_FILE.exists():
        pytest.skip(f"{MODEL_FILE.name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")


@pytest.fixture
def own_daemon(home):
    """A daemon of this test's own, with the model, to be stopped or killed."""
    require_model()
    one = Daemon(home)
    one.import_model()
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def daemon():
    """The daemon that tests share, with the model."""
    require_model()
    with new_home() as folder:
        one = Daemon(folder)
        one.import_model()
        one.start()
        yield one
        assert one.stop() == 0
