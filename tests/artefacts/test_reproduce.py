"""scripts/reproduce on one room, which takes seconds; whole presets are compared for a release (docs/release.md)."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SDK = ROOT / ".deps" / "macos-arm64" / "sdk"


def reproduce(*words, **environment):
    return subprocess.run([ROOT / "scripts" / "reproduce", *words], env={**os.environ, **environment}, capture_output=True, text=True)


@pytest.mark.parametrize("preset", ["release", "macos-arm64"])
def test_two_folders_make_the_same_bytes(preset):
    if preset == "macos-arm64" and not SDK.exists():
        pytest.skip("the macOS cross-build is not set up: scripts/setup cross-macos")
    done = reproduce(preset, "mlxr_platform")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "are the same: " in done.stdout


def test_a_difference_is_told(tmp_path):
    # By a compiler that puts the folder it works in into what it makes.
    (tmp_path / "folder.h").write_text("__attribute__((used)) static const char folder[] = FOLDER;\n")
    compiler = tmp_path / "g++"
    compiler.write_text(f"""#!/bin/sh\nexec g++ "$@" -include '{tmp_path}/folder.h' "-DFOLDER=\\"$PWD\\""\n""")
    compiler.chmod(0o755)
    done = reproduce("release", "mlxr_platform", CXX=str(compiler))
    assert done.returncode == 1 and "libmlxr_platform.a" in done.stdout and "differ between two builds" in done.stderr, done.stdout + done.stderr


def test_a_preset_that_there_is_not_is_refused():
    done = reproduce("dev")
    assert done.returncode == 1 and "no preset 'dev' to reproduce" in done.stderr
