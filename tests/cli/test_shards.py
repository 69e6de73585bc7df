"""A model that is split into several files, on the command line: any of them stands for all."""

import os

import pytest
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from programs import MODEL_FILE, Daemon, require_model
from test_files_elsewhere import ANYBODY, WITH_LESS_RIGHTS

ASK = ("Hello", "--max-tokens", "8", "--temperature", "0", "--json")


def split(source, target, most_tensors):
    """The file, split by PyPI gguf, whose names and keys are those of llama-gguf-split."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents(), split_max_tensors=most_tensors)
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            element = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=element)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_shape=tensor.data.shape, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(target.parent.glob("*.gguf"))


@pytest.fixture
def shards(tmp_path):
    require_model()
    (tmp_path / "shards").mkdir()
    files = split(MODEL_FILE, tmp_path / "shards" / "smol.gguf", 100)
    assert [file.name for file in files] == [f"smol-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    return files


def test_a_split_model_answers_as_the_whole_one(empty, shards):
    whole = empty.json("run", str(MODEL_FILE), *ASK)
    for place in (shards[0], shards[2], shards[0].parent):
        assert empty.json("run", str(place), *ASK)["response"] == whole["response"] != ""
    assert [model["name"] for model in empty.json("ps")["models"]].count("smol") == 1
    assert empty("stop", str(shards[1])).returncode == 0
    assert "smol" not in [model["name"] for model in empty.json("ps")["models"]]


def test_a_split_model_is_imported_by_any_of_its_files(empty, shards):
    empty("import", str(shards[1])).check_returncode()
    shown = empty.json("show", "smol")
    assert shown["file"] == str(shards[0]) and shown["size"] == sum(file.stat().st_size for file in shards)
    assert shown["sha256"] == empty.json("show", str(shards[2]))["sha256"]
    assert empty.json("run", "smol", *ASK)["response"]
    with shards[1].open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    changed = empty("run", "smol", *ASK)
    assert changed.returncode == 7 and "or another shard, has changed" in changed.stderr
    shards[1].unlink()
    missing = empty("run", "smol", *ASK)
    assert missing.returncode == 3 and str(shards[1]) in missing.stderr
    empty("rm", "smol").check_returncode()
    assert shards[0].exists()


def test_the_hash_beside_each_file_is_compared(empty, shards):
    beside = shards[2].with_name(shards[2].name + ".sha256")
    beside.write_text("0" * 64 + "\n")
    run = empty("import", str(shards[0]))
    assert run.returncode == 7 and f"{beside.name} says another" in run.stderr


def test_shards_are_handed_over_to_a_daemon_that_cannot_read_them(empty, shards):
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    folder = shards[0].parent
    os.chown(folder, ANYBODY, ANYBODY)
    folder.chmod(0o700)
    daemon = Daemon(empty.home).start(WITH_LESS_RIGHTS)
    assert empty.json("run", str(shards[0]), *ASK)["response"]
    daemon.stop()


def test_links_to_shards_are_followed_in_their_folder(empty, shards, tmp_path):
    (tmp_path / "snapshot").mkdir()
    for number, file in enumerate(shards):
        file.rename(tmp_path / f"blob{number}")
        (tmp_path / "snapshot" / file.name).symlink_to(tmp_path / f"blob{number}")
    assert empty.json("run", str(tmp_path / "snapshot" / shards[1].name), *ASK)["response"]


def test_a_split_model_is_made_one_file_of_another_type(empty, shards, tmp_path):
    empty("quantize", str(shards[1]), str(tmp_path / "one.gguf"), "Q8_0", "--allow-requantize").check_returncode()
    reader = GGUFReader(tmp_path / "one.gguf")
    assert len(reader.tensors) == len(GGUFReader(MODEL_FILE).tensors)
    assert not [name for name in reader.fields if name.startswith("split.")]
