"""Every normalizer of tokenizer.json gives what Hugging Face `tokenizers` gives: for every character, and for runs of letters and marks.

The four normal forms are compared with Python's unicodedata, which knows more characters.
"""
import base64
import json
import os
import random
import shlex
import subprocess
import sys
import unicodedata

import pytest
from tokenizers import normalizers

import charsmap

PROGRAM = shlex.split(os.environ.get("MLXR_NORMALIZE_LINES", "build/dev/tests/normalize_lines"))
# Newer versions of Unicode have more characters; all libraries here agree on those of Unicode 3.2.
CHARACTERS = [c for c in map(chr, range(0x20, sys.maxunicode + 1)) if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs") and ord(c) != 0x7F]
CONTROLS = [chr(c) for c in (*range(1, 0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0))]
FORMS = ["NFC", "NFD", "NFKC", "NFKD"]


def runs_of_letters_and_marks(count):
    rng = random.Random(15)
    marks = [c for c in CHARACTERS if unicodedata.combining(c)]
    letters = [c for c in CHARACTERS if unicodedata.decomposition(c)] + list("abcSTou가각각  \u3000\u200d中Ⅷ!«")
    for _ in range(10_000):
        text = "".join(rng.choice(rng.choice((marks, letters))) for _ in range(rng.randint(1, 12)))
        yield text
        yield unicodedata.normalize("NFD", text)


LINES = [*CHARACTERS, *("a" + c + "\u0301 " for c in CHARACTERS), *runs_of_letters_and_marks(10_000)]


def assert_same(normalizer, lines, wanted):
    done = subprocess.run([*PROGRAM, json.dumps(normalizer)], input="".join(line + "\n" for line in lines).encode(), capture_output=True, check=True)
    different = [(line, mine, wanted(line)) for line, mine in zip(lines, done.stdout.decode().split("\n"), strict=False) if mine != wanted(line)]
    assert not different, f"{len(different)} of {len(lines)}; the first: {different[:5]}"


@pytest.mark.parametrize("form", FORMS)
def test_normal_forms(form):
    assert_same({"type": form}, LINES, lambda line: unicodedata.normalize(form, line))


def sequence(*parts):
    return {"type": "Sequence", "normalizers": list(parts)}


def bert(**options):
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True} | options


NORMALIZERS = {
    "lowercase": {"type": "Lowercase"},
    "strip accents": sequence({"type": "NFD"}, {"type": "StripAccents"}),
    "strip": {"type": "Strip", "strip_left": True, "strip_right": True},
    "strip left": {"type": "Strip", "strip_left": True, "strip_right": False},
    "strip right": {"type": "Strip", "strip_left": False, "strip_right": True},
    "strip nothing": {"type": "Strip", "strip_left": False, "strip_right": False},
    "prepend": {"type": "Prepend", "prepend": "▁"},
    "replace": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "replace a pattern": {"type": "Replace", "pattern": {"Regex": " {2,}|\\p{P}+"}, "content": "-"},
    "bert uncased": bert(),
    "bert cased": bert(lowercase=False),
    "bert with accents": bert(strip_accents=False),
    "bert as it is": bert(clean_text=False, handle_chinese_chars=False, lowercase=False),
    "nmt": {"type": "Nmt"},
    "albert": sequence({"type": "Replace", "pattern": {"String": "``"}, "content": '"'}, {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}),
    "charsmap": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap.nfkc()).decode()},
}


@pytest.mark.parametrize("name", NORMALIZERS)
def test_as_hugging_face(name):
    normalizer = NORMALIZERS[name]
    theirs = normalizers.Sequence([])
    theirs.__setstate__(json.dumps(normalizer if normalizer["type"] == "Sequence" else sequence(normalizer)).encode())
    assert_same(normalizer, [*LINES, *CONTROLS, "".join(CONTROLS), "", " ", "  a  b  ", "İI ıi ẞ Σς"], theirs.normalize_str)


@pytest.mark.parametrize("normalizer", [{"type": "ByteLevel"}, {"type": "Replace", "pattern": {"Regex": "[a&&[b]]"}, "content": ""}, {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 17},
                                        {"type": "Precompiled", "precompiled_charsmap": "not base64"}, {"type": "Precompiled", "precompiled_charsmap": "/////w=="}])
def test_what_is_not_supported_is_refused(normalizer):
    done = subprocess.run([*PROGRAM, json.dumps(normalizer)], input="", capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
