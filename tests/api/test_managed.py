"""Managed settings override all others. Each test has its own mount namespace with its own /etc."""

import json
import os
import shutil
import subprocess

import pytest
from programs import BUILD, Daemon, Mlx

MANAGED = "/etc/mlxrunner/managed.yaml"


@pytest.fixture
def managed(home):
    """managed(text) returns the words before a command that then runs on a machine with these settings."""
    etc = home / "etc"
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("ssl", "mlxrunner"))
    (etc / "mlxrunner").mkdir(mode=0o755)
    words = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$0" /etc; exec "$@"', str(etc)]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True)
    if tried.returncode != 0 or os.geteuid() != 0:
        pytest.skip(f"a mount namespace takes root: {tried.stderr.strip()}")

    def write(text, mode=0o644):
        file = etc / "mlxrunner" / "managed.yaml"
        file.write_text(text)
        file.chmod(mode)
        return words

    return write


def run(managed_machine, home, program, *words, **environment):
    return subprocess.run([*managed_machine, BUILD / "bin" / program, *words], env={**os.environ, "MLXR_HOME": str(home), **environment}, capture_output=True,
                          text=True, timeout=120)  # fmt: skip


def test_they_come_before_the_users_own(managed, home):
    (home / "server.yaml").write_text("port: 8080\ncontext: 512\n")
    machine = managed("port: 0\nkernels: scalar\n")
    shown = run(machine, home, "mlxrunnerd", "--show-config").stdout
    assert f"port: 0  # {MANAGED}, managed\n" in shown
    assert f"context: 512  # {home}/server.yaml\n" in shown
    assert "# threads: the default\n" in shown
    (home / "other.yaml").write_text("port: 8081\n")
    assert f"port: 0  # {MANAGED}, managed\n" in run(machine, home, "mlxrunnerd", "--config", home / "other.yaml", "--show-config").stdout


def test_doctor_and_the_daemon_say_so(managed, home):
    machine = managed("kernels: scalar\nmax_queue: 8\n")
    try:
        doctor = run(machine, home, "mlx", "doctor", MLXR_KERNELS="mlx")
        assert doctor.returncode == 0, doctor.stdout
        assert f"managed settings: kernels: scalar, max_queue: 8, by {MANAGED}\n" in doctor.stdout
        assert "kernels: scalar, fallbacks" in doctor.stdout  # the variable is not heard
        with Daemon(home).client() as client:
            assert client.get("/mlxr/status").json()["settings"][0] == {"name": "kernels", "value": "scalar", "origin": MANAGED, "managed": True}
        assert f"max_queue: 8 is managed, by {MANAGED}" in (home / "logs" / "mlxrunnerd.log").read_text()
    finally:
        Mlx(home).stop()
    found = json.loads(run(machine, home, "mlx", "doctor", "--install", "--json").stdout)["findings"]
    assert {finding["subject"]: finding["text"] for finding in found}["managed settings"].startswith(f"kernels, max_queue, by {MANAGED}")


def test_an_option_against_them_is_refused(managed, home):
    refused = run(managed("threads: 1\n"), home, "mlxrunnerd", "--threads", "2")
    assert refused.returncode == 1 and "an administrator manages `threads`" in refused.stderr


def test_what_is_wrong_in_them_is_named(managed, home):
    for text, words in (("port: many\n", f"{MANAGED}:1: `port` must be"), ("\nsetting: 1\n", f"{MANAGED}:2: there is no setting `setting`")):
        refused = run(managed(text), home, "mlxrunnerd")
        assert refused.returncode == 1 and words in refused.stderr


def test_a_file_that_others_can_change_is_refused(managed, home):
    refused = run(managed("port: 0\n", mode=0o666), home, "mlxrunnerd")
    assert refused.returncode == 1 and f"{MANAGED} can be changed by users other than root" in refused.stderr
    assert not (home / "run").exists()
