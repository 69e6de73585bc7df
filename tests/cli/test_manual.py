"""The manual and the completions have exactly the parser's commands and options, and pages offer only models that run."""

import json
import re
import shutil
import subprocess

import pexpect
import pytest
from programs import BUILD, ROOT, Mlx

COMPLETIONS = ROOT / "cli" / "completions"
HELP = {"-h", "--help"}


def names_in(help_text):
    """The options that stand at the beginning of a line of the help, and the subcommands."""
    options = {name for line in re.findall(r"^  (-[-a-z, ]+)", help_text, re.M) for name in re.findall(r"(?<![\w-])--?[a-z][-a-z]*", line)}
    commands = re.findall(r"^  ([a-z]+) ", help_text.partition("Commands:")[2].partition("Options:")[0], re.M)
    return options, commands


def parser():
    """{"run": {"--json", ...}, "token show": {...}} as --help tells; "" stands for mlx itself."""
    mlx = Mlx("/nonexistent")
    table, left = {}, [()]
    while left:
        words = left.pop()
        if words == ("serve",):  # its options are mlxrunnerd's
            table["serve"] = set()
            continue
        options, commands = names_in(mlx(*words, "--help").stdout)
        if commands and words:
            left += [(*words, command) for command in commands]
            continue
        table[" ".join(words)] = options if not words else options - HELP
        left += [(*words, command) for command in commands]
    return table


def options_of(roff):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"\\f.", "", roff).replace(r"\-", "-")))


def section(page, title):
    return re.search(rf'^\.SH "?{title}"?$(.*?)(?=^\.SH|\Z)', page, re.M | re.S)[1]


def manual():
    page = (ROOT / "docs" / "man" / "mlx.1").read_text()
    table = {"": options_of(section(page, "OPTIONS"))}
    for heading, text in re.findall(r'^\.SS "?mlx ([^\n]*)\n(.*?)(?=^\.S|\Z)', section(page, "COMMANDS"), re.M | re.S):
        table[re.match(r"[a-z]+( (show|rotate))?", heading)[0]] = options_of(text) - {"-h"}
    return table


def test_the_manual_is_complete():
    assert manual() == parser()


def test_the_daemons_manual_is_complete():
    help_text = subprocess.run([BUILD / "bin" / "mlxrunnerd", "--help"], capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs" / "man" / "mlxrunnerd.8").read_text()
    assert options_of(section(page, "OPTIONS")) == names_in(help_text)[0]


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", *(str(one.relative_to(ROOT)) for one in sorted(ROOT.glob("docs/**/*.*")))])
def test_the_models_that_a_page_offers_run_here(empty, page):
    can_run = {model["name"] for model in json.loads(empty("list", "--available", "--json").stdout)["models"] if model["runs"]}
    offered = set(re.findall(r"mlx (?:run|pull) ([a-z][\w.-]*:\d[\w.]*)", (ROOT / page).read_text()))
    assert offered <= can_run
    assert offered or page != "README.md"


def test_the_models_that_the_list_offers_for_real_work_run_here(empty):
    can_run = {model["name"] for model in json.loads(empty("list", "--available", "--json").stdout)["models"] if model["runs"]}
    offered = re.findall(r", such as (\S+)$", empty("list", "--available").stdout, re.M)
    assert len(offered) == 3 and set(offered) <= can_run


@pytest.mark.parametrize("page", ["mlx.1", "mlxr.1", "mlxrunnerd.8"])
def test_the_manual_is_well_formed(page):
    run = subprocess.run(["groff", "-man", "-ww", "-z", ROOT / "docs" / "man" / page], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def need(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed (scripts/setup test installs it)")


@pytest.fixture
def shell(empty, sources):
    """An `empty` whose mlx is found on PATH, with a model called tiny:1."""
    empty("import", sources / "model.gguf", "--name", "tiny:1")
    empty.environment["PATH"] = f"{BUILD / 'bin'}:{empty.environment['PATH']}"
    empty.environment["HOME"] = str(empty.home)
    return empty


def in_bash(shell, line):
    script = f"""source {COMPLETIONS / "mlx.bash"}
COMP_LINE={line!r} COMP_POINT=${{#COMP_LINE}} COMP_WORDBREAKS=$' \\t\\n:'
read -ra COMP_WORDS <<< "$COMP_LINE"; [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_mlx; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return set(run_shell(shell, "bash", "--norc", "-c", script))


def in_fish(shell, line):
    script = f"source {COMPLETIONS / 'mlx.fish'}; complete -C {line!r}"
    return {candidate.split("\t")[0] for candidate in run_shell(shell, "fish", "--no-config", "-c", script)}


def run_shell(shell, *words):
    run = subprocess.run(words, env=shell.environment, cwd=shell.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    return run.stdout.split("\n")[:-1]


@pytest.mark.parametrize("complete", [in_bash, in_fish])
def test_completions_are_complete(shell, complete):
    need(complete.__name__.removeprefix("in_"))
    table = parser()
    assert complete(shell, "mlx ") >= {command.split()[0] for command in table if command}
    assert complete(shell, "mlx --") == {"--help", "--version"}
    for command, options in table.items():
        if command in ("", "serve"):
            continue
        wanted = {option for option in options if option.startswith("--")} | {"--help"}
        assert {name for name in complete(shell, f"mlx {command} --") if name.startswith("--")} == wanted, command
    assert "tiny:1" in complete(shell, "mlx show ") and "smollm2:135m" in complete(shell, "mlx pull ")
    assert {"show", "rotate"} <= complete(shell, "mlx token ") and {"bash", "zsh", "fish"} <= complete(shell, "mlx completion ")


def test_bash_completes_behind_a_colon(shell):
    assert in_bash(shell, "mlx show tiny:") == {"1"}


def test_zsh_completes(shell):
    need("zsh")
    for option in parser()["run"]:
        assert f"*{option}[" in shell("completion", "zsh").stdout
    zsh = pexpect.spawn("zsh", ["-f"], env=shell.environment, encoding="utf-8", timeout=60, dimensions=(50, 120))
    zsh.sendline(f"PS1='ready> '; fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D")
    zsh.expect_exact("\033[Jready> ")
    zsh.send("mlx sho\t")
    zsh.expect_exact("mlx show")
    zsh.send("ti\t")
    zsh.expect(r"ny.?:1")
    zsh.send("--js\t")
    zsh.expect_exact("on")
    zsh.sendcontrol("u")
    zsh.sendline("exit")
    zsh.expect(pexpect.EOF)
