"""The package's scripts in a folder that stands for a Mac's disk: install, upgrade, downgrade, an interruption, uninstall."""

import os
import plistlib
import subprocess

import pytest
from artefacts import ROOT

SCRIPTS = ROOT / "release" / "macos" / "installer"


class Disk:
    """A target volume, and a log of what launchctl was asked (nothing is, but on the volume that runs)."""

    def __init__(self, folder):
        self.root = folder / "Volumes" / "Other disk"
        self.root.mkdir(parents=True)
        tools = folder / "bin"
        tools.mkdir()
        self.log = folder / "calls"
        self.log.touch()
        for name in ("launchctl", "pkgutil"):
            (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >>"{self.log}"\n')
            (tools / name).chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "MLXR_TARGET": str(self.root)}

    def run(self, script, *words, **more):
        return subprocess.run([SCRIPTS / script, *words], env=self.environment, capture_output=True, text=True, **more)

    def script(self, name):
        return self.run(f"scripts/{name}", "/tmp/MLXR.pkg", "/Library/MLXRunner", str(self.root), "/")

    def lay_payload(self, version):
        folder = self.root / "Library/MLXRunner"
        for name, text in {"bin/mlxrunnerd": version, "bin/mlx": version, "lib/libmlx.dylib": version, "share/mlxrunner/com.company.mlxrunnerd.plist": ""}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        plist = {"Label": "com.company.mlxrunnerd", "ProgramArguments": ["/Library/MLXRunner/bin/mlxrunnerd"]}
        (folder / "share/mlxrunner/com.company.mlxrunnerd.plist").write_bytes(plistlib.dumps(plist))

    def install(self, version):
        before, after = self.script("preinstall"), None
        self.lay_payload(version)
        after = self.script("postinstall")
        assert (before.returncode, after.returncode) == (0, 0), before.stderr + after.stderr

    def text(self, name):
        return (self.root / name).read_text()


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


def test_a_first_installation(disk):
    disk.install("1.0.0")
    assert os.readlink(disk.root / "usr/local/bin/mlx") == "/Library/MLXRunner/bin/mlx"
    agent = disk.root / "Library/LaunchAgents/com.company.mlxrunnerd.plist"
    assert plistlib.loads(agent.read_bytes())["ProgramArguments"] == ["/Library/MLXRunner/bin/mlxrunnerd"]
    assert agent.stat().st_mode & 0o777 == 0o644
    assert not (disk.root / "Library/MLXRunner/previous").exists()
    assert disk.log.read_text() == ""  # another volume's users are not logged in


@pytest.mark.parametrize("first, second", [("1.0.0", "1.0.1"), ("1.0.1", "1.0.0")], ids=["upgrade", "downgrade"])
def test_the_version_before_is_kept(disk, first, second):
    disk.install(first)
    disk.install(second)
    assert disk.text("Library/MLXRunner/bin/mlxrunnerd") == second
    assert disk.text("Library/MLXRunner/previous/bin/mlxrunnerd") == first
    assert disk.text("Library/MLXRunner/previous/lib/libmlx.dylib") == first


def test_an_interruption_while_the_old_version_is_kept_leaves_it_whole(disk):
    disk.install("1.0.0")
    disk.install("1.0.1")
    failing = disk.log.parent / "bin" / "cp"
    failing.write_text('#!/bin/sh\n[ "$1" != -Rp ] || exit 1\nexec /bin/cp "$@"\n')
    failing.chmod(0o755)
    assert disk.script("preinstall").returncode != 0
    assert disk.text("Library/MLXRunner/bin/mlxrunnerd") == "1.0.1"
    assert disk.text("Library/MLXRunner/previous/bin/mlxrunnerd") == "1.0.0"
    failing.unlink()
    disk.install("1.0.2")
    assert disk.text("Library/MLXRunner/previous/bin/mlxrunnerd") == "1.0.1"
    assert not (disk.root / "Library/MLXRunner/previous.part").exists()


def test_a_command_of_someone_elses_stays(disk):
    other = disk.root / "usr/local/bin/mlx"
    other.parent.mkdir(parents=True)
    other.write_text("other")
    disk.install("1.0.0")
    assert other.read_text() == "other"


def test_uninstall_leaves_nothing_of_the_package(disk):
    (disk.root / "Library/LaunchAgents").mkdir(parents=True)
    (disk.root / "Library/LaunchAgents/other.plist").touch()
    disk.install("1.0.0")
    (disk.root / "Applications/MLXR.app/Contents").mkdir(parents=True)
    dry = disk.run("uninstall.sh", "--dry-run")
    assert dry.returncode == 0 and len(dry.stdout.splitlines()) == 4
    assert disk.text("Library/MLXRunner/bin/mlx") == "1.0.0"
    assert disk.run("uninstall.sh").returncode == 0
    left = [path.relative_to(disk.root).as_posix() for path in disk.root.rglob("*") if not path.is_dir()]
    assert left == ["Library/LaunchAgents/other.plist"]
    assert not (disk.root / "Library/MLXRunner").exists() and not (disk.root / "Applications/MLXR.app").exists()


def test_uninstall_refuses_what_it_does_not_know(disk):
    done = disk.run("uninstall.sh", "--everything")
    assert done.returncode == 2 and "usage" in done.stderr
