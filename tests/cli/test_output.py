"""Output that cannot be written: a full disk is an error for every command, a closed pipe is not."""

import subprocess

import pytest
from programs import BUILD, MODEL

COMMANDS = [
    ("--help",),
    ("--version",),
    (),
    ("help", "run"),
    ("run", MODEL, "Hello", "--max-tokens", "4"),
    ("run", MODEL, "Hello", "--max-tokens", "4", "--json"),
    ("list",),
    ("list", "-q"),
    ("list", "--json"),
    ("list", "--available"),
    ("list", "--available", "-q"),
    ("show", MODEL),
    ("ps",),
    ("status",),
    ("cache",),
    ("doctor",),
    ("token", "show"),
    ("completion", "bash"),
    ("version",),
    ("logs", "--path"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_an_error(mlx, words):
    with open("/dev/full", "w") as full:
        run = subprocess.run([BUILD / "bin" / "mlx", *words], env=mlx.environment, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1
    assert "mlx: The output could not be written: No space left on device." in run.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_closed_pipe_is_none(mlx, words):
    script = f"'{BUILD / 'bin' / 'mlx'}' \"$@\" | :; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", script, "bash", *words], env=mlx.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert run.stdout == "0\n" and "written" not in run.stderr
