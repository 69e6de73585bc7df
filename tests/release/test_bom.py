"""The reader of bills of materials, on a small one that mlxr-pack made."""

import stat
import struct
import subprocess

import bom
import pytest
from artefacts import ROOT

PACK = ROOT / ".deps/cargo/bin/mlxr-pack"
pytestmark = pytest.mark.skipif(not PACK.exists(), reason="not built: run scripts/setup release-tools")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "payload"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "mlx").write_bytes(b"a program")
    (made / "bin" / "mlx").chmod(0o755)
    for i in range(300):  # more than one leaf of a tree
        (made / f"file {i}").write_text(str(i))
    return made


@pytest.fixture
def data(folder, tmp_path):
    subprocess.run([PACK, "bom", folder, tmp_path / "Bom"], check=True)
    return (tmp_path / "Bom").read_bytes()


def test_it_names_every_file_and_folder_with_mode_size_and_checksum(data, folder):
    assert bom.problems(data, folder) == []
    found = bom.entries(data)
    assert found["./bin/mlx"] == bom.Entry(bom.FILE, stat.S_IFREG | 0o755, (0, 0), 9, bom.cksum(folder / "bin" / "mlx"))
    assert found["./bin"].kind == found["."].kind == bom.FOLDER and len(found) == 303


def test_what_differs_is_named(data, folder):
    (folder / "bin" / "more").write_bytes(b"")
    (folder / "file 7").unlink()
    (folder / "file 8").write_text("9")
    (folder / "file 9").chmod(0o600)
    assert bom.problems(data, folder) == ["./bin/more: not in the bill of materials", "./file 7: in the bill of materials only", "./file 8: its checksum is wrong",
                                          "./file 9: its mode is 0o100644, and that of the file 0o100600"]  # fmt: skip


def test_an_empty_or_damaged_one_is_no_bill_of_materials(data, folder):
    for damaged in (b"", data[:100], b"x" + data[1:], data[: len(data) // 2]):
        assert bom.problems(damaged, folder), len(damaged)
    block = bom.Store(data)
    at, _ = block.places[block.named["Paths"]]
    leaf = block.places[struct.unpack_from(">I", data, at + 8)[0]][0]
    without = bytearray(data)
    while not struct.unpack_from(">H", without, leaf)[0]:
        leaf = block.places[struct.unpack_from(">I", without, leaf + 12)[0]][0]
    struct.pack_into(">2HI", without, leaf, 1, 0, 0)  # one leaf, with nothing in it
    assert bom.entries(bytes(without)) == {} and len(bom.problems(bytes(without), folder)) == 303
