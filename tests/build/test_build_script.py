"""scripts/build, with fakes of CMake, uname and Homebrew that record their arguments."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def build(tmp_path):
    """build(system) returns what cmake was asked for, and the PKG_CONFIG_PATH that it had."""
    (tmp_path / "repo" / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "build", tmp_path / "repo" / "scripts")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {"cmake": f'echo "$* [${{PKG_CONFIG_PATH:-}}]" >>{tmp_path}/log', "uname": 'echo "$SYSTEM"', "brew": "echo /opt/homebrew"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)

    def run(system, **environment):
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SYSTEM": system, **environment}
        subprocess.run([tmp_path / "repo" / "scripts" / "build", "dev", "--target", "mlx"], check=True, env=environment)
        return (tmp_path / "log").read_text().splitlines()

    return run


def test_on_linux_nothing_is_added(build, monkeypatch):
    monkeypatch.delenv("PKG_CONFIG_PATH", raising=False)
    assert build("Linux") == ["--preset dev -D MLXR_CHANNEL=stable []", "--build --preset dev --target mlx []"]


def test_on_a_mac_homebrews_keg_only_libarchive_is_found(build):
    configured, built = build("Darwin", PKG_CONFIG_PATH="/mine")
    assert configured.endswith("[/opt/homebrew/opt/libarchive/lib/pkgconfig:/mine]") and built.endswith(configured[configured.index("[") :])
