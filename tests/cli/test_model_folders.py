"""Model folders as Hugging Face publishes them, on the command line: imported, run, removed, made smaller."""

import hashlib

import hostile_folder
import pytest
from dump_tool import Link, write
from gguf import GGUFReader


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


ASK = ("abc", "--max-tokens", "3", "--temperature", "0")


def loads(home):
    return (home / "logs" / "mlxrunnerd.log").read_text().count(" loaded ")


def sha256_of(folder):
    """Of what sha256sum prints for the files, sorted by name."""
    files = sorted(folder.iterdir())
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_a_folder_runs_where_it_is(empty, home, folder):
    answer = empty.json("run", f"{folder}/", *ASK)
    assert answer["model"] == str(folder) and answer["tokens"] == 3
    assert [model["name"] for model in empty.json("ps")["models"]] == ["Tiny-Model"]
    details = empty.json("show", folder)
    assert details["sha256"] == sha256_of(folder)
    assert details["file"] == str(folder) and details["size"] == sum(file.stat().st_size for file in folder.iterdir())
    assert empty.json("list")["models"] == []
    empty("stop", folder).check_returncode()
    assert empty.json("ps")["models"] == []
    assert loads(home) == 1


def test_a_folder_and_its_import_give_one_answer(empty, folder):
    empty("import", folder).check_returncode()
    by_path, by_name = (empty.json("run", model, *ASK)["response"] for model in (folder, "Tiny-Model"))
    assert by_path == by_name != ""


CHANGES = {
    "weights": lambda folder: write(folder / "model.safetensors", hostile_folder.filled({**hostile_folder.TENSORS, "lm_head.weight": ("F32", (10, 8))})),
    "a file more": lambda folder: write(folder / "chat_template.jinja", b"{{ messages[0]['content'] }}"),
    "a file less": lambda folder: (folder / "generation_config.json").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_was_changed_is_loaded_anew(empty, home, folder, change):
    write(folder / "generation_config.json", b"{}")
    for _ in range(2):
        empty("run", folder, *ASK).check_returncode()
    assert loads(home) == 1
    CHANGES[change](folder)
    empty("run", folder, *ASK).check_returncode()
    assert loads(home) == 2
    assert empty.json("show", folder)["sha256"] == sha256_of(folder)


def test_a_file_that_no_model_is_read_from_changes_nothing(empty, home, folder):
    empty("run", folder, *ASK).check_returncode()
    write(folder / "README.md", b"A model.")
    empty("run", folder, *ASK).check_returncode()
    assert loads(home) == 1


def test_shards_in_hugging_faces_cache_are_run(empty, tmp_path):
    """A snapshot has links to the files, and an index names the shards."""
    names = list(hostile_folder.TENSORS)
    shards = {f"model-{i}.safetensors": {name: hostile_folder.TENSORS[name] for name in names[i::2]} for i in range(2)}
    index = {"weight_map": {name: shard for shard, tensors in shards.items() for name in tensors}}
    files = {name: hostile_folder.filled(tensors) for name, tensors in shards.items()}
    files |= hostile_folder.folder(without=["model.safetensors"], model__safetensors__index__json=index)
    links = {name: Link(f"../../blobs/{i}") for i, name in enumerate(files)}
    write(tmp_path / "models--a--b", {"blobs": {str(i): content for i, content in enumerate(files.values())}, "snapshots": {"1": links}})
    assert empty.json("run", tmp_path / "models--a--b" / "snapshots" / "1", *ASK)["tokens"] == 3


BAD = {
    "link": ({"model__safetensors": Link("/etc/passwd")}, "leads out of the folder"),
    "no weights": ({"without": ["model.safetensors"]}, "has no weights that MLXR can read"),
    "unknown": ({"config": {"model_type": "rwkv7"}}, "models of the type 'rwkv7'"),
    "shard missing": ({"without": ["model.safetensors"], "model__safetensors__index__json": {"weight_map": {"a.weight": "a.safetensors"}}}, "names the file 'a.safetensors'"),
    "control": ({"without": ["model.safetensors"], "model__safetensors__index__json": {"weight_map": {"a": "a\x1b[2J"}}, "a\x1b[2J": b"x"}, "control characters"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_folder_that_cannot_be_run_is_refused_with_a_sentence(empty, tmp_path, what):
    changes, says = BAD[what]
    write(tmp_path / "bad", hostile_folder.folder(**changes))
    run = empty("run", tmp_path / "bad", *ASK)
    assert run.returncode != 0 and says in run.stderr and "\x1b" not in run.stderr, run.stderr


def test_the_name_of_a_folder_alone_is_a_models(empty, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    run = empty("run", "Tiny-Model", *ASK)
    assert run.returncode == 3 and "mlx run ./Tiny-Model" in run.stderr


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
