"""scripts/build_metal.sh, without Apple's compiler, and with a fake of it that records its arguments."""
import hashlib
import json
import os
import pathlib
import re
import stat
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = sorted((ROOT / "kernels/metal").glob("*.metal"))

XCRUN = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in *-find*) echo /a/metal; exit 0 ;; esac
while [ $# -gt 1 ]; do
  [ "$1" = -o ] && echo "made by xcrun" >"$2"
  shift
done
exit 0
"""


def build(folder, **environment):
    subprocess.run([ROOT / "scripts/build_metal.sh", folder, "1.2.3"], check=True, env={**os.environ, **environment})
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256, name
    abi = re.search(r"define MLXR_METAL_ABI (\d+)", (ROOT / "kernels/metal/abi.h").read_text())[1]
    assert manifest["name"] == "metal" and manifest["abi"] == int(abi) and manifest["version"] == "1.2.3"
    return manifest


@pytest.fixture
def xcrun(tmp_path):
    program, log = tmp_path / "bin" / "xcrun", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(XCRUN.replace("{log}", str(log)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program, log


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac may have Apple's compiler")
def test_without_apples_compiler_the_pack_is_sources_and_says_so(tmp_path):
    manifest = build(tmp_path / "pack")
    assert manifest["form"] == "sources"
    assert sorted(manifest["files"]) == [path.name for path in SOURCES]
    assert manifest["functions"]["rms_norm_group"] == {
        "kernel": "rms_norm", "variant": "group", "defines": ["FUNCTION=rms_norm_group", "SIMDGROUPS=8"]
    }  # fmt: skip


def test_with_it_each_variant_is_compiled_and_all_are_joined(tmp_path, xcrun):
    program, log = xcrun
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "old.metal").write_text("of a build before")
    manifest = build(folder, PATH=f"{program.parent}:{os.environ['PATH']}")
    assert manifest["form"] == "metallib"
    assert sorted(path.name for path in folder.iterdir()) == ["kernels.metallib", "manifest.json"]
    assert sorted(path.stem for path in (tmp_path / "pack.variants").iterdir()) == sorted(manifest["functions"])
    asked = log.read_text()
    for name, function in manifest["functions"].items():
        assert name == f"{function['kernel']}_{function['variant']}"
        defines = " ".join(f"-D{each}" for each in function["defines"])
        assert re.search(rf"-sdk macosx metal .*-mmacosx-version-min=14\.0 .*{defines} -c {function['kernel']}\.metal ", asked)
    assert re.search(r"-sdk macosx metallib (\S+\.air ){%d}-o \S+/pack/kernels\.metallib" % len(manifest["functions"]), asked)


def test_every_kernel_is_tested_in_each_variant():
    """tests/kernels/metal/kernels.cpp compiles them by hand: it must have the defines of every variant line."""
    compiled = (ROOT / "tests/kernels/metal/kernels.cpp").read_text()
    for source in SOURCES:
        variants = re.findall(r"^// variant (\w+)\s+((?:\w+=\w+\s+)*)", source.read_text(), re.M)
        assert variants, source
        for variant, defines in variants:
            lines = [f"#define FUNCTION {source.stem}_{variant}", *(f"#define {each.replace('=', ' ')}" for each in defines.split())]
            assert "\n".join([*lines, f'#include "kernels/metal/{source.name}"']) in compiled, f"{source.stem}_{variant}"
