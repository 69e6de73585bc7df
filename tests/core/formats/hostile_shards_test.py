"""Models in several GGUF files: read as one, or refused by the check that is meant for it. MLXR_GGUF_DUMP names the program."""

import re

import hostile_shards
import pytest
from dump_tool import dump


def dump_folders(folders):
    """What gguf_dump says of {name: (files, file to open)}."""
    said, _ = dump({name: files for name, (files, _) in folders.items()}, [f"{name}/{file}" for name, (_, file) in folders.items()])
    return dict(zip(folders, said.values(), strict=True))


def test_any_shard_opens_the_whole_model():
    good = {name: ({file: content.bytes() for file, content in files.items()}, file) for name, (files, file) in hostile_shards.good().items()}
    said = dump_folders(good)
    tensors = {name: re.search(r"\d+ tensors, sum \d+", line)[0] for name, line in said.items() if line.startswith("ok ")}
    assert tensors.keys() == good.keys(), said
    assert set(tensors.values()) == {tensors["one"]}


@pytest.mark.parametrize("case", hostile_shards.cases(), ids=lambda case: case.name)
def test_shards_that_do_not_belong_together(case):
    (said,) = dump_folders({case.name: (case.files, case.open)}).values()
    assert re.fullmatch(rf"{case.code}: .*{re.escape(case.says)}.*\.", said), said
