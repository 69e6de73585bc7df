"""No file makes the reader crash, take much memory or say nothing; each is refused by the check that it is meant for. MLXR_GGUF_DUMP names the program."""

import re

import hostile_gguf
import pytest
from dump_tool import MEMORY_KIB, dump


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
