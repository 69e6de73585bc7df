"""Malicious files, through the real programs: each is refused with an exit code and a reason, and the daemon survives."""

import os
import sys

import pytest
from programs import ROOT, Mlx, new_home

sys.path.insert(0, str(ROOT / "tests" / "core" / "formats"))
import hostile_gguf  # noqa: E402
import hostile_shards  # noqa: E402

FOUND_WHEN_RUN = ("weights_", "template_", "rope_factors_of_zero")  # the description says nothing of it
EXIT_CODES = {"not_found": 3, "corrupt": 7, "unsupported": 13}
# Of the reader's refusals one of each kind; all of them are in tests/core/formats/hostile_test.py.
DAMAGED = ["empty", "zip", "version_99", "big_endian", "tensors_2_64", "keys_2_63", "string_2_63", "array_2_64", "arrays_100000_deep", "name_with_escapes",
           "alignment_0", "five_dimensions", "product_2_64", "type_q4_0_4_4", "offset_2_64", "one_byte_too_few", "overlap", "tensor_twice"]  # fmt: skip


@pytest.fixture(scope="module")
def mlx():
    """`mlx` in the home that the tests here share. All of them are answered by one daemon, which runs a good model before and after."""
    with new_home() as folder:
        one = Mlx(folder)
        (folder / "good.gguf").write_bytes(hostile_gguf.model())
        answer(one, folder / "good.gguf")
        yield one
        one.stop()
        assert log(one).count("listens on") == 1 and "stopp" in log(one)


@pytest.fixture(autouse=True)
def the_daemon_lives(mlx):
    yield
    answer(mlx, mlx.home / "good.gguf")
    assert log(mlx).count("listens on") == 1


def log(mlx):
    return (mlx.home / "logs" / "mlxrunnerd.log").read_text()


def answer(mlx, file):
    run = mlx("run", file, "Hello", "--max-tokens", "4", "--json")
    assert run.returncode == 0, run.stderr
    return run.stdout


def expect(run, case):
    assert (run.returncode, run.stdout) == (EXIT_CODES[case.code], ""), f"{case.name}: {run}"
    assert run.stderr.startswith("mlx: ") and case.says in run.stderr, f"{case.name}: {run.stderr}"
    assert is_plain(run.stderr), f"{case.name}: {run.stderr!r}"


def is_plain(text):
    return all(character.isprintable() or character == "\n" for character in text)


def written(folder, data):
    file = folder / "hostile.gguf"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("case", [c for c in hostile_gguf.damaged() if c.name in DAMAGED], ids=lambda case: case.name)
def test_a_damaged_file(mlx, case, tmp_path):
    file = written(tmp_path, case.file)
    expect(mlx("import", file), case)
    expect(mlx("run", file, "Hello"), case)


@pytest.mark.parametrize("case", hostile_gguf.impossible(), ids=lambda case: case.name)
def test_an_impossible_model(mlx, case, tmp_path):
    file = written(tmp_path, case.file)
    if not case.name.startswith(FOUND_WHEN_RUN):
        expect(mlx("import", file), case)
    expect(mlx("run", file, "Hello", "--max-tokens", "4"), case)


@pytest.mark.parametrize("case", hostile_shards.cases(), ids=lambda case: case.name)
def test_shards_that_are_no_model(mlx, case, tmp_path):
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content)
    expect(mlx("import", tmp_path / case.open), case)
    expect(mlx("run", tmp_path / case.open, "Hello"), case)


# llama.cpp takes 0 and 2^32 - 1 as "unknown"; such files are in the field.
@pytest.mark.parametrize("tokens", [0, 2**32 - 1])
def test_a_model_that_does_not_know_its_context(mlx, tokens, tmp_path):
    answer(mlx, written(tmp_path, hostile_gguf.model(keys={"llama.context_length": (hostile_gguf.U32, tokens)})))


def test_a_file_that_changes_after_its_import(mlx, tmp_path):
    file = written(tmp_path, hostile_gguf.model(seed=2))
    mlx("import", file, "--name", "changing").check_returncode()
    written(tmp_path, hostile_gguf.model(seed=3))
    run = mlx("run", "changing", "Hello")
    assert run.returncode == 7 and "has changed: its SHA-256 is" in run.stderr
    mlx("rm", "changing").check_returncode()


def test_a_file_that_is_cut_during_an_answer(mlx, tmp_path):
    file = written(tmp_path, hostile_gguf.model(seed=4, keys={"llama.context_length": (hostile_gguf.U32, 1 << 16)}))
    run = mlx.start("run", file, "Hello", "--max-tokens", "2000")
    run.stdout.read(1)
    os.truncate(file, 4096)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said


def test_what_a_file_says_of_itself_commands_no_terminal(mlx, tmp_path):
    escape = (hostile_gguf.STRING, "\x1b]0;title\x07\x1b[2J\u009b2J\n")
    keys = {"general.license": escape, "general.name": escape}
    run = mlx("import", written(tmp_path, hostile_gguf.model(keys=keys)), "--name", "rude")
    shown = (run, mlx("show", "rude"), mlx("list"), mlx("show", "rude", "--json"), mlx("list", "--json"))
    mlx("rm", "rude").check_returncode()
    assert "?]0;title" in shown[1].stdout
    for run in shown:
        assert run.returncode == 0, run.stderr
        assert is_plain(run.stdout) and "\\u001b" not in run.stdout, run.stdout


TITLE, SCREEN = "\x1b]0;title\x07", "\x1b[2J\u009b2J"


def test_the_name_of_a_file_commands_no_terminal(mlx, tmp_path):
    """Whatever a command says of it: paths, names and words of the command line go out without control sequences."""
    folder = tmp_path / f"{SCREEN}folder"
    folder.mkdir()
    file = folder / f"{TITLE}x.gguf"
    file.write_bytes(hostile_gguf.model(seed=5))
    mlx("import", file, "--name", "plain").check_returncode()
    file.with_name(f"{TITLE}gone.gguf").write_bytes(hostile_gguf.model(seed=6))
    mlx("import", file.with_name(f"{TITLE}gone.gguf"), "--name", "gone").check_returncode()
    file.with_name(f"{TITLE}gone.gguf").unlink()
    commands = [("show", file), ("show", "plain"), ("run", file, "Hello", "--max-tokens", "1"), ("ps",), ("status",), ("stop", file), ("list",),
                ("doctor",), ("import", file), ("quantize", file, folder / f"{TITLE}small.gguf", "q8_0"), ("rm", "plain", "gone", file)]  # fmt: skip
    for words in commands:
        run = mlx(*words)
        assert is_plain(run.stdout if words[0] != "run" else ""), (words, run.stdout)
        assert is_plain(run.stderr), (words, run.stderr)
    with mlx.on_terminal("show", file) as shown:
        text = shown.read()
    assert "\x1b[1m" in text and "title" in text, "styles stay"
    assert not any(sequence in text for sequence in (TITLE, "\x1b[2J", "\u009b"))


def test_a_licence_of_a_megabyte(mlx, tmp_path):
    mlx("import", written(tmp_path, hostile_gguf.model(keys={"general.license": (hostile_gguf.STRING, "x" * (1 << 20))})), "--name", "wordy").check_returncode()
    assert len(mlx.json("show", "wordy")["license"]) < 100
    mlx("rm", "wordy").check_returncode()


def test_an_end_token_that_is_no_text(mlx, tmp_path):
    tokens = [*hostile_gguf.letters(), hostile_gguf.MERGED, b"\xff\xfe"]
    keys = {"tokenizer.ggml.tokens": (hostile_gguf.ARRAY, (hostile_gguf.STRING, tokens)), "tokenizer.ggml.bos_token_id": (hostile_gguf.U32, 257),
            "tokenizer.chat_template": (hostile_gguf.STRING, "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}")}  # fmt: skip
    answer(mlx, written(tmp_path, hostile_gguf.model(keys=keys)))


def test_a_template_that_refuses_the_conversation(mlx, tmp_path):
    keys = {"tokenizer.chat_template": (hostile_gguf.STRING, "{{ raise_exception('no\x1b[2J') }}")}
    run = mlx("run", written(tmp_path, hostile_gguf.model(keys=keys)), "Hello")
    assert run.returncode == 2 and is_plain(run.stderr) and run.stderr.endswith("no\n")
