"""Reproducible builds: scripts/reproduce on one room, which takes seconds, and the smallest package with a program in it; whole presets are
compared for a release (docs/release.md)."""
import os
import pathlib
import subprocess

import pytest
from packages import deb

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


def test_two_folders_make_the_package_that_was_released(tmp_path):
    """Compiled and packed twice from nothing, with ccache and without, in two folders: the package of the window."""
    released = deb("mlxrunner-app")
    epoch = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout.strip()
    for folder, more in ((tmp_path / "one", {}), (tmp_path / "another" / "one", {"CCACHE_DISABLE": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"})):
        subprocess.run(["git", "clone", "-q", "--no-local", ROOT, folder], check=True)
        (folder / ".deps").symlink_to((ROOT / ".deps").resolve())
        for words in (["scripts/build", "release", "--target", "mlxr"],
                      ["cpack", "--config", "build/release/CPackConfig.cmake", "-G", "DEB", "-B", "packages", "-D", "CPACK_COMPONENTS_ALL=app"]):  # fmt: skip
            done = subprocess.run(words, cwd=folder, env={**os.environ, "SOURCE_DATE_EPOCH": epoch, **more}, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / "packages" / released.name).read_bytes() == released.read_bytes(), folder


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
