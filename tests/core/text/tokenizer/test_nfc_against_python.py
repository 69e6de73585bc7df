"""The normal form NFC of every character, and of many runs of letters and marks, is that of Python's unicodedata."""
import os
import random
import shlex
import subprocess
import sys
import unicodedata

PROGRAM = shlex.split(os.environ.get("MLXR_NFC_LINES", "build/dev/tests/nfc_lines"))
# Newer Pythons know more characters; all agree on those of Unicode 3.2.
CHARACTERS = [c for c in map(chr, range(0x20, sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs") and ord(c) != 0x7F]


def assert_same(lines):
    done = subprocess.run(PROGRAM, input="\n".join(lines) + "\n", capture_output=True, encoding="utf-8", check=True)
    different = [(line, mine) for line, mine in zip(lines, done.stdout.split("\n")) if mine != unicodedata.normalize("NFC", line)]
    assert not different, f"{len(different)} of {len(lines)}; the first: {different[:5]}"


def known(c):
    return unicodedata.ucd_3_2_0.category(c) != "Cn"


def test_every_character():
    assert_same([c for c in CHARACTERS if known(c)])
    assert_same(["a" + c + "\u0301" for c in CHARACTERS if known(c)])


def test_decomposed_text_and_runs_of_marks():
    rng = random.Random(15)
    marks = [c for c in CHARACTERS if unicodedata.combining(c) and known(c)]
    letters = [c for c in CHARACTERS if unicodedata.decomposition(c) and known(c)] + list("abcSTou가각각")
    lines = []
    for _ in range(20_000):
        text = "".join(rng.choice(rng.choice((marks, letters))) for _ in range(rng.randint(1, 12)))
        lines += [text, unicodedata.normalize("NFD", text)]
    assert_same(lines)
