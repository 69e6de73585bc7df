"""--metallib: Metal kernels that a Mac compiled are added to a release if they are complete and of this version, and refused otherwise."""

import json
import os
import shutil
import stat
import subprocess
import types

import metal_pack
import pytest
import stage
from artefacts import ROOT

XCRUN = """#!/bin/sh
case "$*" in *-find*) echo /a/metal; exit 0 ;; esac
while [ $# -gt 1 ]; do
  [ "$1" = -o ] && echo "made by xcrun" >"$2"
  shift
done
"""


@pytest.fixture
def packs(tmp_path):
    """(compiled, built): by scripts/build_metal.sh, with a program in the place of Apple's compiler, and without."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "xcrun").write_text(XCRUN)
    (tools / "xcrun").chmod(0o755)
    for name, path in (("compiled", f"{tools}:{os.environ['PATH']}"), ("built", os.environ["PATH"])):
        subprocess.run([ROOT / "scripts/build_metal.sh", tmp_path / name, "1.2.3"], check=True, env={**os.environ, "PATH": path})
    return tmp_path / "compiled", tmp_path / "built"


def test_a_whole_pack_of_this_version_is_taken(packs, tmp_path):
    compiled, built = packs
    metal_pack.check(compiled, built)
    release = types.SimpleNamespace(metallib=compiled, build_folder=tmp_path, mlx_folder=tmp_path, root=tmp_path, tools=None)
    entry = types.SimpleNamespace(kind="build", source="lib/kernels/metal/", to="Contents/Resources/kernels/", mode=0o644, code=None)
    stage._copy(release, entry, tmp_path / "app" / entry.to)
    staged = tmp_path / "app" / entry.to
    assert sorted(path.name for path in staged.iterdir()) == ["kernels.metallib", "manifest.json"]
    assert stat.S_IMODE((staged / "kernels.metallib").stat().st_mode) == 0o644


def change(name, value):
    def apply(folder):
        fields = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(fields | {name: value}))

    return apply


@pytest.mark.parametrize("break_it, words", [
    (change("version", "1.2.4"), "of another build: its version is 1.2.4, and here it is 1.2.3"),
    (change("abi", 99), "its abi is 99"),
    (change("form", "sources"), "not compiled kernels"),
    (lambda folder: (folder / "kernels.metallib").write_text("something else"), "is damaged"),
    (lambda folder: (folder / "more").write_text("more"), "its manifest names"),
    (shutil.rmtree, "is not a Metal kernel pack"),
])  # fmt: skip
def test_another_one_is_refused(packs, break_it, words):
    compiled, built = packs
    break_it(compiled)
    with pytest.raises(ValueError, match=words):
        metal_pack.check(compiled, built)
