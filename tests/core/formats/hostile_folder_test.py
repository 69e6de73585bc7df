"""No folder makes the reader crash, take much memory or say nothing; each is refused by the check that it is meant for."""

import re

import hostile_folder
import pytest
from dump_tool import MEMORY_KIB, Link, dump


@pytest.fixture(scope="module")
def usual_memory():
    said, memory = dump({"good": hostile_folder.folder()})
    assert re.match(r"ok \d+ keys, 11 tensors", said["good"])
    return memory


def expect(cases, usual_memory, room=MEMORY_KIB):
    said, memory = dump({case.name: case.folder for case in cases})
    wrong = {case.name: said[case.name] for case in cases if not re.fullmatch(rf"{case.code}: .*{re.escape(case.says)}.*\.", said[case.name])}
    assert wrong == {}
    assert memory < usual_memory + room


def test_hostile_folders(usual_memory):
    expect(list(hostile_folder.cases()), usual_memory)


def test_weights_cut_at_every_length(usual_memory):
    expect(list(hostile_folder.truncated()), usual_memory)


def test_bits_of_descriptions(usual_memory):
    said, memory = dump(dict(hostile_folder.flipped()))
    assert {name: line for name, line in said.items() if not re.fullmatch(r"ok .*|(corrupt|unsupported): .*\.", line)} == {}
    assert memory < usual_memory + MEMORY_KIB


def test_bombs(usual_memory):
    """The limit on values bounds the memory, whatever the file says."""
    expect(list(hostile_folder.bombs()), usual_memory, room=512 << 10)


def test_links_of_hugging_faces_cache():
    """REPOSITORY/snapshots/REVISION has links to REPOSITORY/blobs, and may have links within itself."""
    good = hostile_folder.folder()
    blobs = {f"blob_{number}": content for number, content in enumerate(good.values())}
    links = {name: Link(f"../../blobs/blob_{number}") for number, name in enumerate(good)}
    blobs["pooling"] = b"{}"
    links["1_Pooling"] = {"config.json": Link("../../../blobs/pooling")}
    outside = {**links, "config.json": Link("../../other/config.json")}
    repository = {"blobs": blobs, "other": {"config.json": good["config.json"]}, "snapshots": {"1": links, "2": outside}}
    said, _ = dump({"models--a--b": repository}, ["models--a--b/snapshots/1", "models--a--b/snapshots/2"])
    assert said["models--a--b/snapshots/1"].startswith("unsupported: MLXR cannot pool embeddings")  # it was read
    assert "leads out of the folder" in said["models--a--b/snapshots/2"]
