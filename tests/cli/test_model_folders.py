"""Model folders as Hugging Face publishes them, on the command line: imported, run, removed, made smaller."""

import pathlib
import sys

import pytest
from gguf import GGUFReader

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "core" / "formats"))
import hostile_folder  # noqa: E402
from dump_tool import Link, write  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    """A model with 10 tokens, whose weights are zeros."""
    path = tmp_path / "Tiny-Model"
    write(path, hostile_folder.folder())
    return path


def test_an_imported_folder_is_a_model_of_its_own(empty, home, folder):
    run = empty("import", folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Imported Tiny-Model from ") and "(llama, " in run.stdout
    for file in folder.iterdir():  # the model does not need the folder any more
        file.unlink()
    details = empty.json("show", "Tiny-Model")
    assert details["architecture"] == "llama"
    assert empty("run", "Tiny-Model", "abc", "--max-tokens", "3").returncode == 0
    empty("rm", "Tiny-Model").check_returncode()
    assert not list((home / "models").rglob("*.gguf"))


def test_a_folder_is_imported_before_it_is_run(empty, folder):
    run = empty("run", folder, "abc")
    assert run.returncode != 0
    assert f"Import it first: mlx import {folder}" in run.stderr


def test_a_folder_that_cannot_be_run_leaves_nothing(empty, home, folder):
    (folder / "model.safetensors").unlink()
    write(folder / "model.safetensors", Link("/etc/passwd"))
    run = empty("import", folder, "--name", "bad")
    assert run.returncode != 0 and "leads out of the folder" in run.stderr
    assert empty.json("list")["models"] == []
    assert not list((home / "models").rglob("bad*"))


def test_a_smaller_file_is_made_of_a_folder(empty, folder, tmp_path):
    empty("quantize", folder, tmp_path / "half.gguf", "F16").check_returncode()
    reader = GGUFReader(tmp_path / "half.gguf")
    assert {tensor.name: tensor.tensor_type.name for tensor in reader.tensors if "attn_" in tensor.name} == {
        "blk.0.attn_norm.weight": "F32",
        **{f"blk.0.attn_{part}.weight": "F16" for part in ("q", "k", "v", "output")},
    }
    assert reader.fields["llama.attention.head_count"].contents() == hostile_folder.HEADS
    assert reader.fields["tokenizer.ggml.tokens"].contents()[-1] == "<|end|>"
