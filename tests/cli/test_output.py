"""Output that cannot be written: a full disk is an error for every command, a closed pipe is not."""

import os
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
    reader, pipe = os.pipe()
    os.close(reader)  # before the first write, which therefore fails
    run = subprocess.run([BUILD / "bin" / "mlx", *words], env=mlx.environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.PIPE, text=True)
    os.close(pipe)
    assert run.returncode == 0 and "written" not in run.stderr
