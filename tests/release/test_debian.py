"""The packages of the arm64 root, read from archives; test_components.py reads installed packages."""
import shutil
import subprocess

import debian
import pytest
from digest import sha256

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="this system has no dpkg-deb")


@pytest.fixture
def root(tmp_path):
    """With one package in its cache, whose version has an epoch."""
    package = tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN" / "control").write_text("Package: libfoo-dev\nVersion: 1:2.3-4\nArchitecture: arm64\nMaintainer: nobody\nDescription: foo\n")
    (package / "usr/include/foo").mkdir(parents=True)
    (package / "usr/include/foo/a file.h").write_text("")
    (package / "usr/lib/aarch64-linux-gnu").mkdir(parents=True)
    (package / "usr/lib/aarch64-linux-gnu/libfoo.a").write_text("")
    cache = tmp_path / "root/var/cache/apt/archives"
    cache.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", package, cache / "libfoo-dev_1%3a2.3-4_arm64.deb"], check=True, capture_output=True)
    return tmp_path / "root"


def test_who_owns_a_file(root):
    archives = debian.Archives(root)
    assert archives.owners(["/usr/include/foo/a file.h", "/usr/include/bar.h"]) == {"/usr/include/foo/a file.h": "libfoo-dev"}
    assert archives.owners(["/usr/lib/*/libfoo.a"]) == {"/usr/lib/aarch64-linux-gnu/libfoo.a": "libfoo-dev"}


def test_what_a_package_is(root):
    (deb,) = (root / "var/cache/apt/archives").iterdir()
    assert debian.Archives(root).facts("libfoo-dev") == ("1:2.3-4", "arm64", "libfoo-dev_2.3-4_arm64.deb", sha256(deb))
