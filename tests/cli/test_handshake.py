"""After an update the old daemon is still running: `mlx` notices it, and restarts it or says how."""

import json
import os
import threading

import pytest
from programs import MODEL, Daemon
from test_exit_codes import Handler, StandIn

ASK = ("run", MODEL, "Hello", "--max-tokens", "2")


class OldDaemon(Handler):
    """Ends when it is asked to, as a daemon does: its socket is the last thing that goes."""

    def do_POST(self):
        if self.path != "/mlxr/shutdown":
            return super().do_POST()
        self.send(200, "{}")
        os.unlink(self.server.server_address)
        threading.Thread(target=self.server.shutdown).start()


@pytest.fixture
def old_daemon(own):
    """Starts a stand-in for a daemon of another version, with this status."""
    (own.home / "run").mkdir(mode=0o700)
    servers = []

    def start(**status):
        server = StandIn(str(Daemon(own.home).socket), OldDaemon)
        server.status = {"pid": os.getpid(), **status}
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return own

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
        if Daemon(own.home).socket.exists() and own("version").stdout.count("running)") == 0:
            Daemon(own.home).socket.unlink()


def test_an_idle_old_daemon_is_restarted(old_daemon):
    mlx = old_daemon(version="0.0.1")
    run = mlx(*ASK)
    assert run.returncode == 0 and "Restarting mlxrunnerd: version 0.0.1 is older" in run.stderr
    versions = mlx.json("version")
    assert versions["daemon"] == versions["version"]


@pytest.mark.parametrize("status", [{"version": "0.0.1", "engine": {"running": 1}}, {"version": "0.0.1", "models": [{"name": "x", "in_use": 1}]}, {"version": "99.0.0"}],
                         ids=["running", "in use", "newer"])  # fmt: skip
def test_a_busy_or_newer_daemon_is_left_running_and_named(old_daemon, status):
    mlx = old_daemon(**status)
    for words in (("run", MODEL, "Hello"), ("version",), ("status",)):
        said = mlx(*words).stderr
        assert f"is version {status['version']}, mlx is version" in said and "Restart it with: mlx stop" in said
    assert f"mlxrunnerd {status['version']} (running)" in mlx("version").stdout
    report = {finding["subject"]: finding for finding in json.loads(mlx("doctor", "--json").stdout)["findings"]}
    assert report["daemon"]["verdict"] == "warning" and report["daemon"]["todo"] == "Restart it: mlx stop"
