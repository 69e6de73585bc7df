"""scripts/verify-release fails where a test is skipped for a reason that nobody wrote down."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import allowed_skips
import pytest

ROOT = pathlib.Path(__file__).parents[2]
LIST = "tests/artefacts/allowed_skips.txt"
SPY = f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], dict(os.environ)]))\n"


@pytest.mark.parametrize("given, used", [({}, LIST), ({"MLXR_ALLOWED_SKIPS": "/dev/null"}, "/dev/null")])
def test_it_has_a_list_unless_another_is_given(tmp_path, given, used):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "build" / "release-artefacts").mkdir(parents=True)
    (tmp_path / "scripts" / "setup").write_text("#!/bin/sh\n")
    python = tmp_path / ".deps" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(SPY)
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "MLXR_ALLOWED_SKIPS"} | given
    done = subprocess.run([tmp_path / "scripts" / "verify-release"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words, found = json.loads(done.stdout)
    assert found["MLXR_ALLOWED_SKIPS"] == used and {"tests/release", "tests/artefacts"} < set(words)
    assert found["MLXR_BUILD_DIR"] == f"{tmp_path}/build/release"  # a machine that makes a release has built no other programs


@pytest.mark.parametrize("reason, allowed", [
    ("mlxrunner-0.1.0-linux-aarch64.tar.zst is not built: run scripts/package-linux arm64-linux-release", True),
    ("mlxrunner_0.1.0_arm64.deb is not built: run scripts/package-linux arm64-linux-release", True),
    ("MLXR_CLEAN_SYSTEMS has only trixie, not noble", True),
    ("mlxrunner_0.1.0_amd64.deb is not built: run scripts/package-linux release", False),
    ("MLXR-*.dmg was not made (make release makes it)", False),
    ("rcodesign is not built: scripts/setup release-tools", False),
    ("lintian is not installed (scripts/setup package)", False),
])  # fmt: skip
def test_what_ci_does_not_build_may_be_skipped_and_nothing_else(monkeypatch, reason, allowed):
    monkeypatch.setenv("MLXR_ALLOWED_SKIPS", LIST)
    assert allowed_skips.unexpected([reason]) == ([] if allowed else [reason])
    monkeypatch.setenv("MLXR_ALLOWED_SKIPS", "/dev/null")  # release.yml
    assert allowed_skips.unexpected([reason]) == [reason]
