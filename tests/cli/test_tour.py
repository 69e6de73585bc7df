"""A newcomer's tour: tour.txt has commands as people type them, with the exact output of mlx.

A line that begins with "$ " is a command, the lines below it are its output (stdout and stderr together), and a last line such as [2] is
its exit code where that is not 0. HOME stands for the folder of MLXR_HOME, VERSION for the version. The commands share one home, where no
model is installed and no daemon runs. After a change of messages, PYTHONPATH=tests python tests/cli/test_tour.py rewrites the file: review
the difference.
"""

import pathlib
import re
import shlex

import pytest
from programs import Mlx, new_home

TOUR = pathlib.Path(__file__).with_name("tour.txt")


def stops():
    """[(command, expected output)]"""
    return [block.partition("\n")[::2] for block in re.split(r"^\$ ", TOUR.read_text(), flags=re.M)[1:]]


def says(mlx, command):
    program, *words = shlex.split(command)
    assert program == "mlx"
    run = mlx(*words)
    text = (run.stdout + run.stderr).replace(str(mlx.home), "HOME")
    text = re.sub(r"\b\d+\.\d+\.\d+(-\w+)?\b", "VERSION", text)
    return text.rstrip("\n") + (f"\n[{run.returncode}]" if run.returncode else "")


@pytest.fixture(scope="module")
def newcomer():
    with new_home() as folder:
        yield Mlx(folder)


@pytest.mark.parametrize(("command", "expected"), stops(), ids=[command for command, _ in stops()])
def test_tour(newcomer, command, expected):
    assert says(newcomer, command) == expected.rstrip("\n")


def test_every_command_is_on_the_tour(newcomer):
    commands = re.findall(r"^  ([a-z]+) ", newcomer("--help").stdout.partition("Commands:")[2].partition("Options:")[0], re.M)
    shown = {command for command, _ in stops()}
    assert len(commands) > 15
    for name in commands:
        if name != "serve":  # its help is mlxrunnerd's
            assert f"mlx {name} --help" in shown


def test_every_help_ends_with_an_example_of_that_command(newcomer):
    for command, text in stops():
        if command.endswith(" --help"):
            example = next(line for line in text.splitlines() if line.startswith("Example: "))
            assert command.removesuffix(" --help") in example, command
    assert "Example: mlx serve" in newcomer("serve", "--help").stdout


if __name__ == "__main__":
    with new_home() as folder:
        head = TOUR.read_text().partition("\n$ ")[0]
        TOUR.write_text(head + "\n" + "\n\n".join(f"$ {command}\n{says(Mlx(folder), command)}" for command, _ in stops()) + "\n")
