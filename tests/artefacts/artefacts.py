"""The artefacts that `make release` made, opened by third-party tools."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "release-artefacts"
sys.path.insert(0, str(ROOT / "release"))


def find(pattern):
    """The one artefact of that name. Skips the test where it was not made."""
    found = sorted(FOLDER.glob(pattern))
    if not found:
        pytest.skip(f"{pattern} was not made (make release makes it)")
    assert len(found) == 1, f"several artefacts {pattern}: remove build/release-artefacts and make the release again"
    return found[0]


def tool(name, package):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return name


def output(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout
