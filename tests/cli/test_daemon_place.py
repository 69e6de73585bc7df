"""One data folder has one daemon, which every client finds, and which inherits nothing from its caller."""

import contextlib
import fcntl
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

import httpx
import pytest
from programs import BUILD, LONG_RUN, MODEL, Daemon, Mlx, new_home, wait_for

ASK = ("run", MODEL, "Hello", "--max-tokens", "2")


def lock_of(support):
    return (support / "mlxrunnerd.lock").read_text().splitlines()


def is_alive(pid):
    """A zombie, which nobody in a container may reap, is not."""
    status = pathlib.Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def answers(daemon):
    with contextlib.suppress(httpx.HTTPError), daemon.client() as client:
        return client.get("/api/version").status_code == 200
    return False


@pytest.fixture
def standard(own):
    """`mlx` with the standard folders of a user whose home is in the test's own folder."""
    home = own.home / "ada"
    home.mkdir()
    runtime = own.home / "runtime"
    runtime.mkdir(mode=0o700)
    for name in [name for name in own.environment if name.startswith(("MLXR_", "XDG_"))]:
        del own.environment[name]
    own.environment |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    own.import_model()
    yield own
    own.stop()


def test_it_inherits_neither_descriptors_nor_the_working_folder(own, tmp_path):
    """exec 9>job.lock; flock -n 9; cd /media/usb; mlx run …"""
    job = tmp_path / "job.lock"
    with job.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        subprocess.run([BUILD / "bin" / "mlx", *ASK], env=own.environment, cwd=tmp_path, pass_fds=[held.fileno()], stdin=subprocess.DEVNULL,
                       capture_output=True, check=True)  # fmt: skip
    pid, _ = lock_of(own.home)
    assert str(job) not in [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    with job.open("w") as free:
        fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_clients_of_another_environment_find_it(standard, tmp_path):
    """ssh, su, cron: another XDG_RUNTIME_DIR, or none."""
    assert standard(*ASK).returncode == 0
    pid, socket = lock_of(standard.home / "ada/.local/share/mlxrunner")
    assert socket == f"{standard.home}/runtime/mlxrunner/mlxrunner.sock"
    for other in (str(tmp_path), "/nonexistent/1234", ""):
        standard.environment["XDG_RUNTIME_DIR"] = other
        assert standard.json("ps")["models"], "the model is in that daemon's memory"
        assert standard(*ASK).returncode == 0
        assert lock_of(standard.home / "ada/.local/share/mlxrunner")[0] == pid


def test_an_edited_uds_takes_effect_at_the_next_start(own):
    assert own(*ASK).returncode == 0
    (own.home / "server.yaml").write_text(f"uds: {own.home}/run/other.sock\n")
    assert own.json("ps")["models"]
    assert "stopped" in own("stop").stdout
    assert own(*ASK).returncode == 0
    assert lock_of(own.home)[1] == f"{own.home}/run/other.sock"


def test_a_logout_ends_the_daemon_whose_socket_goes_away(standard):
    """Without lingering, logind removes the runtime folder; the next login makes it again."""
    assert standard(*ASK).returncode == 0
    first, _ = lock_of(standard.home / "ada/.local/share/mlxrunner")
    subprocess.run(["rm", "-rf", standard.home / "runtime"], check=True)
    (standard.home / "runtime").mkdir(mode=0o700)
    assert standard(*ASK).returncode == 0  # waits for the end of the first one
    second, _ = lock_of(standard.home / "ada/.local/share/mlxrunner")
    assert second != first and not is_alive(first)
    assert standard.json("ps")["models"]


def test_run_waits_for_a_daemon_that_is_stopping(own):
    answering = own.start(*LONG_RUN[:-1], "60")
    assert answering.stdout.read(1)
    first, _ = lock_of(own.home)
    os.kill(int(first), signal.SIGTERM)
    run = own(*ASK)
    assert run.returncode == 0, run.stderr
    assert answering.wait(60) == 0 and lock_of(own.home)[0] != first


def test_the_end_of_a_daemon_leaves_the_socket_of_its_successor(home):
    first = Daemon(home).start()
    first.socket.unlink()
    (home / "mlxrunnerd.lock").unlink()
    first.socket.with_name("mlxrunner.sock.lock").unlink()
    second = Daemon(home).start()
    try:
        assert first.process.wait(60) == 0
        assert "no client can reach this daemon" in first.log()
        with second.client() as client:
            assert client.get("/api/version").status_code == 200
    finally:
        second.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_daemon_that_must_end_by_force_leaves_the_socket_of_its_successor(home, sources):
    """Requests that nobody can cancel: they write to the registry, which another process has locked."""
    names = ["one:1b", "two:1b", "three:1b"]
    for name in names:
        Mlx(home).import_model(sources / "model.gguf", name)
    first = Daemon(home).start()
    first.socket.with_name("mlxrunner.sock.lock").unlink()
    waiting, idle = [], first.threads()
    with contextlib.closing(sqlite3.connect(home / "registry.sqlite", isolation_level=None)) as registry, new_home() as other_home:
        registry.execute("BEGIN IMMEDIATE")
        for name in names:  # each waits ten seconds, one after the other
            waiting.append(first.post("/api/delete", {"model": name}, method="DELETE"))
        wait_for(lambda: first.threads() >= idle + len(names))
        first.process.terminate()
        wait_for(lambda: "stopping" in first.log())
        first.process.terminate()
        wait_for(lambda: "cancelling answers" in first.log())
        first.socket.unlink()
        second = Daemon(other_home, f"uds: {first.socket}\n")
        second.socket = first.socket
        second.start()
        try:
            assert first.process.wait(60) == 0
            assert "a request does not finish" in first.log()
            with second.client() as client:
                assert client.get("/api/version").status_code == 200
        finally:
            second.stop()
            for connection in waiting:
                connection.close()


def test_a_reader_of_its_log_that_goes_away_does_not_end_it(home):
    """mlx serve 2>&1 | head"""
    log, its_end = os.pipe()
    os.close(log)
    with subprocess.Popen([BUILD / "bin" / "mlxrunnerd"], env={**os.environ, "MLXR_HOME": str(home)}, stderr=its_end) as process:
        os.close(its_end)
        wait_for(lambda: process.poll() is not None or (home / "run" / "mlxrunner.sock").exists())
        one = Daemon(home)
        one.process = process
        wait_for(lambda: process.poll() is not None or answers(one))
        assert one.stop() == 0


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="systemd is Linux's")
def test_an_installed_unit_is_started_instead(standard, tmp_path):
    """systemctl is played by a script that starts the daemon as the unit would."""
    noted = tmp_path / "noted"
    (tmp_path / "systemctl").write_text(f"""#!/bin/sh
echo "$*" >>{noted}
case "$2" in
show) echo LoadState=loaded; echo 'ExecStart={{ path={BUILD}/bin/mlxrunnerd ; argv[]=mlxrunnerd ; ignore_errors=no }}';;
show-environment) echo HOME=$HOME;;
start) setsid {BUILD}/bin/mlxrunnerd >/dev/null 2>&1 & ;;
esac
""")
    (tmp_path / "systemctl").chmod(0o755)
    standard.environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    assert standard(*ASK).returncode == 0
    assert noted.read_text().splitlines()[-1] == "--user start mlxrunnerd.service"
    assert not list(standard.home.rglob("mlxrunnerd.log")), "its log is the journal's"
    started = time.monotonic()
    assert standard(*ASK).returncode == 0 and noted.read_text().count(" start ") == 1
    assert time.monotonic() - started < 60
