"""Behavior that launchd's jobs rely on (docs/macos.md): the daemon opens its own log, stops cleanly at SIGTERM, and loads no model by itself."""

import signal
import stat
import subprocess

from programs import BUILD, MODEL, Daemon, wait_for

PROGRAM = BUILD / "bin" / "mlxrunnerd"


def start_as_launchd_does(daemon):
    """Without a terminal: launchd gives /dev/null."""
    return subprocess.Popen([PROGRAM, "--log-file"], env=daemon.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_daemon_opens_its_log_and_ends_in_order(home):
    daemon, log = Daemon(home), home / "logs" / "mlxrunnerd.log"
    with start_as_launchd_does(daemon) as process:
        wait_for(lambda: log.exists() and "listens on" in log.read_text())
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)
    assert process.returncode == 0 and said == (b"", b"")
    assert "stopping" in log.read_text() and stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_log_says_why_it_does_not_start(home):
    daemon = Daemon(home, config="port: often\n")
    with start_as_launchd_does(daemon) as process:
        said = process.communicate(timeout=60)
    assert process.returncode == 1 and said == (b"", b"")
    assert "port" in (home / "logs" / "mlxrunnerd.log").read_text()


def test_a_second_daemon_says_so_in_the_log_and_leaves_the_first_alone(empty_daemon):
    with start_as_launchd_does(empty_daemon) as process:
        process.communicate(timeout=60)
    assert process.returncode == 3 and "already running" in (empty_daemon.home / "logs" / "mlxrunnerd.log").read_text()
    with empty_daemon.client() as client:
        assert client.get("/api/version").is_success


def test_after_an_unclean_end_no_model_is_loaded_until_someone_asks_for_it(own_daemon):
    def loaded():
        with own_daemon.client() as client:
            return [model["name"] for model in client.get("/api/ps").json()["models"]]

    with own_daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL, "prompt": "Hello", "stream": False, "options": {"num_predict": 1}}).raise_for_status()
    assert loaded() == [MODEL]
    own_daemon.process.kill()
    own_daemon.process.wait()
    own_daemon.start()
    assert loaded() == []
