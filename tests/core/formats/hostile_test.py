"""No file makes the reader crash, take much memory or say nothing; each is refused by the check that it is meant for. MLXR_GGUF_DUMP names the program."""

import os
import re
import shlex
import subprocess
import tempfile

import hostile_gguf
import pytest

MEMORY_KIB = 48 << 10  # above what the reader takes for a good file


def dump(files):
    """What gguf_dump says of each of {name: bytes}, and its memory in KiB."""
    with tempfile.TemporaryDirectory(prefix="mlxr-hostile-") as folder:
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as out:
                out.write(data)
        with open(os.path.join(folder, "output"), "w+") as output:
            process = subprocess.Popen([*shlex.split(os.environ["MLXR_GGUF_DUMP"]), *(os.path.join(folder, name) for name in files)], stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            lines = output.read().splitlines()
    if process.returncode not in (0, 1) or len(lines) != len(files):
        assert len(files) > 1, f"{next(iter(files))} ended gguf_dump with {process.returncode}"
        for name, data in files.items():  # which one was it?
            dump({name: data})
    assert process.returncode == any(not line.startswith("ok ") for line in lines)
    return dict(zip(files, lines, strict=True)), usage.ru_maxrss


@pytest.fixture(scope="module")
def usual_memory():
    said, memory = dump({"small": hostile_gguf.small().bytes(), "model": hostile_gguf.model()})
    assert all(line.startswith("ok ") for line in said.values())
    return memory


def expect(cases, usual_memory):
    said, memory = dump({case.name: case.file for case in cases})
    for case in cases:
        assert re.fullmatch(rf"{case.code}: \S+/{case.name} .*{re.escape(case.says)}.*\.", said[case.name]), f"{case.name}: {said[case.name]}"
    assert memory < usual_memory + MEMORY_KIB


def test_damaged_files(usual_memory):
    expect(hostile_gguf.damaged(), usual_memory)


def test_a_file_cut_at_every_length(usual_memory):
    expect(list(hostile_gguf.truncated()), usual_memory)


def test_every_bit_of_a_description(usual_memory):
    said, memory = dump(dict(hostile_gguf.flipped()))
    for name, line in said.items():
        assert re.fullmatch(r"ok .*|(corrupt|unsupported): .*\.", line), f"{name}: {line}"
    assert memory < usual_memory + MEMORY_KIB


def test_impossible_models_are_read(usual_memory):
    said, memory = dump({case.name: case.file for case in hostile_gguf.impossible()})
    assert {name: line for name, line in said.items() if not line.startswith("ok ")} == {}
    assert memory < usual_memory + MEMORY_KIB
