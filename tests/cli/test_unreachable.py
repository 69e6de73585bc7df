"""A daemon that cannot be reached is not reported as stopped: each command names the process and says what to do."""

import os
import re
import signal
import socket

import pytest
from programs import MODEL, Daemon, wait_for

ASK = ("run", MODEL, "Hello", "--max-tokens", "4")


@pytest.fixture
def stopped(own):
    """`mlx` whose daemon has been stopped by SIGSTOP: it accepts connections, and answers none."""
    assert own(*ASK).returncode == 0
    pid = own.json("status")["daemon"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    yield own, pid
    os.kill(pid, signal.SIGCONT)


def test_a_daemon_that_hangs_is_named_and_never_said_not_to_run(stopped):
    mlx, pid = stopped
    for words in (("ps",), ("status",), ("stop",), ASK, ("uninstall", "--yes", "--models")):
        run = mlx(*words)
        assert run.returncode == 6, words
        assert f"(pid {pid})" in run.stderr and f"kill -9 {pid}" in run.stderr
        assert "not running" not in run.stdout + run.stderr and "removed" not in run.stdout
    assert (mlx.home / "registry.sqlite").exists()
    version = mlx("version")
    assert version.returncode == 0 and f"(pid {pid})" in version.stderr and "not running" not in version.stdout


def test_a_socket_without_a_listener_is_a_daemon_that_does_not_run(empty):
    (empty.home / "run").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(Daemon(empty.home).socket))
    assert "not running" in empty("ps").stderr
    assert empty.json("status")["running"] is False
    assert empty("stop").stdout == "mlxrunnerd is not running.\n"


def test_a_connection_that_is_closed_at_once(empty):
    (empty.home / "run").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Daemon(empty.home).socket))
        listener.listen()
        import threading

        def hang_up():
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        for words in (("ps",), ("stop",)):
            run = empty(*words)
            # libcurl sees it as it connects, or after.
            assert run.returncode == 6, run.stderr
            assert re.search(rf"\(pid {os.getpid()}\) (closed|does not accept) the connection", run.stderr), run.stderr
        listener.shutdown(socket.SHUT_RDWR)
    Daemon(empty.home).socket.unlink()


def test_a_socket_that_this_user_may_not_use(own):
    if os.getuid() != 0:
        pytest.skip("needs root, to run mlx as another user")
    assert own(*ASK).returncode == 0
    import subprocess

    from programs import BUILD

    words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", BUILD / "bin" / "mlx"]
    for command in ("ps", "stop", "status"):
        run = subprocess.run([*words, command], env=own.environment, capture_output=True, text=True)
        assert run.returncode == 9 and "Permission denied" in run.stderr, run.stderr
    wait_for(lambda: own("ps").returncode == 0)
