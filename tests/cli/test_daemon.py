"""The daemon through `mlx`: starting, status, stopping; also doctor, token and version."""

import os
import re
import signal
import socket
import subprocess
import time

from programs import LONG_RUN, MODEL, MODEL_FILE, Daemon, Mlx, fill, require_model, small_disk, wait_for

ASK = ("run", MODEL, "Hello", "--max-tokens", "4")


def pid_of(mlx):
    with Daemon(mlx.home).client() as client:
        return client.get("/mlxr/status").json()["pid"]


def test_run_starts_the_daemon_and_it_stays(own):
    assert "not running" in own("ps").stderr and own.json("ps") == {"models": []}
    assert own(*ASK).returncode == 0
    first = pid_of(own)
    assert own(*ASK).returncode == 0 and pid_of(own) == first
    assert "mlxrunnerd has stopped" in own("stop").stdout
    assert "not running" in own("stop").stdout and not Daemon(own.home).socket.exists()


def test_several_at_once_start_one_daemon(own):
    runs = [own.start(*ASK) for _ in range(4)]
    assert [run.wait(120) for run in runs] == [0] * 4, [run.stderr.read() for run in runs]
    assert (own.home / "logs" / "mlxrunnerd.log").read_text().count("listens on") == 1


def test_a_killed_daemon_is_replaced(own):
    assert own(*ASK).returncode == 0
    first = pid_of(own)
    os.kill(first, signal.SIGKILL)
    assert own(*ASK).returncode == 0 and pid_of(own) != first


def test_killed_in_mid_answer(own):
    run = own.start(*LONG_RUN)
    assert run.stdout.read(1)
    os.kill(pid_of(own), signal.SIGKILL)
    assert "mlx logs" in run.communicate(timeout=60)[1] and run.returncode == 6


def test_stop_lets_an_answer_end_and_a_new_daemon_can_start_at_once(own):
    run = own.start(*LONG_RUN[:-1], "40")
    assert run.stdout.read(1)
    assert own("stop").returncode == 0
    assert run.wait(60) == 0
    assert own(*ASK).returncode == 0


def test_stop_ends_when_the_daemon_is_killed_meanwhile(own):
    run = own.start(*LONG_RUN)
    assert run.stdout.read(1)
    daemon = pid_of(own)
    stop = own.start("stop")
    wait_for(lambda: own("ps").returncode == 0 and "not running" in own("ps").stderr)  # it stops, as soon as the answer has ended
    os.kill(daemon, signal.SIGKILL)
    assert "has stopped" in stop.communicate(timeout=30)[0] and stop.returncode == 0
    assert run.wait(60) == 6 and Daemon(own.home).socket.exists()


def test_a_daemon_that_cannot_start_says_why(own):
    (own.home / "server.yaml").write_text("max_quue: 3\n")
    run = own(*ASK)
    assert run.returncode == 6 and "server.yaml:1:" in run.stderr and "mlxrunnerd.log" in run.stderr


def test_ps_and_unloading(own):
    own(*ASK)
    (model,) = own.json("ps")["models"]
    assert model["name"] == MODEL and abs(model["weights"] / MODEL_FILE.stat().st_size - 1) < 0.2 and 0 < model["unloads_in_s"] <= 300
    head, row = own("ps").stdout.splitlines()
    assert head.split() == ["NAME", "WEIGHTS", "CACHE", "CONTEXT", "UNLOADS"]
    assert re.fullmatch(rf"{MODEL}  \d+\.\d MB  up to \S+ MB +8192  in \S+ \S+", row)
    assert own("stop", MODEL).returncode == 0
    assert own.json("ps") == {"models": []} and own("ps").stdout == "No models in memory.\n"


def test_stop_takes_a_file_as_run_does(own):
    assert own("run", str(MODEL_FILE), "Hello", "--max-tokens", "2").returncode == 0
    assert len(own.json("ps")["models"]) == 1
    run = own("stop", str(MODEL_FILE.parent / "." / MODEL_FILE.name))
    assert run.returncode == 0 and "unloaded" in run.stdout, run.stderr
    assert own.json("ps")["models"] == []


def test_stop_without_a_daemon_has_nothing_to_unload(empty):
    run = empty("stop", "nosuch")
    assert run.returncode == 0 and "not running" in run.stdout


def test_serve_runs_in_the_foreground(empty):
    serve = empty.start("serve")
    try:
        deadline = time.monotonic() + 60
        while empty("ps").stderr:
            assert serve.poll() is None and time.monotonic() < deadline
        assert pid_of(empty) == serve.pid  # the same process, so that a supervisor's signals reach it
        second = empty("serve")
        assert second.returncode == 3 and f"already running (pid {serve.pid})" in second.stderr
        serve.send_signal(signal.SIGINT)
        assert serve.wait(30) == 0
    finally:
        serve.kill()


def test_serve_hands_its_options_on(empty):
    assert "--config" in empty("serve", "--help").stdout
    wrong = empty("serve", "--nope")
    assert wrong.returncode == 2 and wrong.stderr == "mlxrunnerd: Unknown option --nope.\nOptions: mlxrunnerd --help\n"


def test_threads_on_the_command_line_come_before_the_configuration(empty):
    (empty.home / "server.yaml").write_text("threads: 2\n")
    assert empty("serve", "--threads", "-1").returncode == 2
    serve = empty.start("serve", "--threads", "3")
    try:
        wait_for(lambda: "not running" not in empty("ps").stderr)
        with Daemon(empty.home).client() as client:
            assert client.get("/mlxr/status").json()["kernels"]["threads"] == 3
    finally:
        serve.kill()
        serve.wait()


def test_doctor(mlx):
    report = mlx.json("doctor")
    assert report["ok"] and {"registry", "daemon", "kernels", f"model {MODEL}"} <= {finding["subject"] for finding in report["findings"]}
    assert mlx("doctor").returncode == 0


def test_doctor_names_what_is_wrong_and_what_to_do(empty, sources):
    file = empty.home / "tiny.gguf"
    file.write_bytes((sources / "model.gguf").read_bytes())
    empty("import", file)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    (empty.home / "run").mkdir()
    (empty.home / "run").chmod(0o777)
    run = empty("doctor")
    assert run.returncode == 1
    assert "model tiny: " in run.stdout and "-> Install it again: mlx rm tiny" in run.stdout
    assert "can be changed by other users" in run.stdout and "-> Fix it: chmod go-w" in run.stdout


def test_a_full_disk_is_named_by_the_commands_and_the_doctor(home):
    require_model()
    with small_disk(home / "disk", "64k") as disk:
        fill(disk, leave=0)
        mlx = Mlx(disk)
        for words in (("list",), ("import", MODEL_FILE), ("run", MODEL_FILE, "Hello")):
            run = mlx(*words)
            assert run.returncode == 8 and "disk is full" in run.stderr, run.stderr
        run = mlx("doctor")
        assert run.returncode == 1 and "-> Free space on the disk" in run.stdout and "away" not in run.stdout


def test_token(empty):
    token = empty("token", "show").stdout.strip()
    assert len(token) >= 32 and empty.json("token", "show") == {"token": token}
    (file,) = empty.home.rglob("capability_token")
    assert file.stat().st_mode & 0o777 == 0o600
    rotated = empty("token", "rotate").stdout.strip()
    assert rotated != token and empty("token", "show").stdout.strip() == rotated


def test_version(empty):
    versions = empty.json("version")
    assert versions["daemon"] is None
    for flag in ("--version", "-v", "-V"):
        assert empty(flag).stdout == f"mlx {versions['version']}\n"
    assert empty("version").stdout == f"mlx {versions['version']}\nmlxrunnerd is not running\n"
    empty("doctor")  # starts the daemon
    assert empty.json("version")["daemon"] == versions["version"]
    assert f"mlxrunnerd {versions['version']} (running)" in empty("version").stdout


def test_a_proxy_is_not_asked(mlx):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        mlx.environment["http_proxy"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert mlx("ps").returncode == 0
        del mlx.environment["http_proxy"]


def test_without_a_daemon_program(own, tmp_path):
    from programs import BUILD

    alone = tmp_path / "mlx"
    alone.write_bytes((BUILD / "bin" / "mlx").read_bytes())
    alone.chmod(0o755)
    run = subprocess.run([alone, *ASK], env={**own.environment, "PATH": str(tmp_path)}, input="", capture_output=True, text=True, timeout=60)
    assert run.returncode == 3 and "mlxrunnerd is neither at" in run.stderr
