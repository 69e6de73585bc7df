"""What release/components.toml declares, and where each component's version, hash and texts are read."""
import json
import shutil
import subprocess
import zipfile

import pytest

pytest.importorskip("packageurl", reason="not installed: run scripts/setup release")

import components  # noqa: E402
import debian  # noqa: E402

DSC = """-----BEGIN PGP SIGNED MESSAGE-----

Format: 3.0 (quilt)
Source: libfoo
Version: 1.2-3
Checksums-Sha256:
 aaaa 100 libfoo_1.2.orig.tar.gz
 bbbb 20 libfoo_1.2-3.debian.tar.xz
Files:
 cccc 100 libfoo_1.2.orig.tar.gz
"""


@pytest.fixture
def places(tmp_path):
    made = components.Places(tmp_path / "wheels", tmp_path / "src", debian.Installed())
    made.wheels.mkdir()
    made.sources.mkdir()
    return made


@pytest.fixture
def wheel(places, tmp_path, monkeypatch):
    """MLX's wheel for Linux, with one library that auditwheel put into it."""
    path = places.wheels / "mlx_cpu-9.8.7-py3-none-manylinux_2_35_x86_64.whl"
    mlx = {"name": "mlx_cpu", "version": "9.8.7", "purl": "pkg:pypi/mlx_cpu@9.8.7"}
    blas = {"name": "libblas3", "version": "3.10", "purl": "pkg:deb/ubuntu/libblas3@3.10"}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mlx_cpu-9.8.7.dist-info/METADATA", "Name: mlx-cpu\nVersion: 9.8.7\nLicense: MIT\n")
        file.writestr("mlx_cpu-9.8.7.dist-info/licenses/LICENSE", "MIT, says MLX")
        file.writestr("mlx_cpu-9.8.7.dist-info/sboms/auditwheel.cdx.json", json.dumps({"metadata": {"component": mlx}, "components": [mlx, blas]}))
    pins = tmp_path / "build.txt"
    pins.write_text(components.sha256(path))
    monkeypatch.setattr(components, "PINS", pins)
    return path


def table(tmp_path, text):
    path = tmp_path / "components.toml"
    path.write_text('[macos.system]\nlibraries=[]\narchives=[]\nfolders=[]\npackages=[]\n[linux.system]\nlibraries=[]\narchives=[]\nfolders=[]\n'
                    'packages=[]\n[both]\n' + text)
    return path


MLX = '[linux.mlx]\nfrom="wheel"\npackage="mlx-cpu"\nlicence="MIT"\ntexts=["licenses/LICENSE"]\nfiles=["libmlx.so"]\n'
BLAS = '[linux.blas]\nfrom="wheel-bundle"\npackage="libblas3"\nlicence="BSD-3-Clause"\ntexts=["/nowhere"]\nfiles=["libblas.so"]\n'
FOO = '[macos.foo]\nfrom="debian-source"\npackage="libfoo"\nlicence="ISC"\ntexts=["COPYING*"]\narchives=["libfoo.a"]\n'


@pytest.mark.parametrize("platform", components.PLATFORMS)
def test_the_table_is_whole(platform):
    from license_expression import get_spdx_licensing
    entries, system = components.declared(platform)
    assert "mlx" in entries and system.libraries
    for name, entry in entries.items():
        assert not get_spdx_licensing().validate(entry["licence"]).errors, name


def test_a_wheel_says_its_own_version_hash_and_licence(places, wheel, tmp_path):
    mlx, blas = components.resolve("linux-x86_64", places, table(tmp_path, MLX + BLAS))
    assert (mlx.version, mlx.texts) == ("9.8.7", (("licenses/LICENSE", b"MIT, says MLX"),))
    assert mlx.purl == f"pkg:pypi/mlx-cpu@9.8.7?file_name={wheel.name}"
    assert mlx.fetched == (components.Fetched(wheel.name, components.sha256(wheel)),)
    assert (blas.version, blas.purl) == ("3.10", "pkg:deb/ubuntu/libblas3@3.10")


def test_a_library_inside_the_wheel_that_nobody_listed_is_named(places, wheel, tmp_path):
    with pytest.raises(components.ComponentError, match="libblas3: inside MLX's wheel, but not in"):
        components.resolve("linux-x86_64", places, table(tmp_path, MLX))


def test_a_wheel_with_another_hash_is_refused(places, wheel, tmp_path):
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(components.ComponentError, match="not the wheel whose hash"):
        components.resolve("linux-x86_64", places, table(tmp_path, MLX + BLAS))


def test_a_debian_source_says_its_version_and_hashes(places, tmp_path):
    (places.sources / "libfoo_1.2-3.dsc").write_text(DSC)
    (places.sources / "libfoo-1.2" / "debian").mkdir(parents=True)
    (places.sources / "libfoo-1.2" / "COPYING").write_text("ISC, says foo")
    (foo,) = components.resolve("macos-arm64", places, table(tmp_path, FOO))
    assert (foo.version, foo.purl, foo.texts) == ("1.2-3", "pkg:deb/debian/libfoo@1.2-3?arch=source", (("COPYING", b"ISC, says foo"),))
    assert foo.fetched[1:] == (components.Fetched("libfoo_1.2.orig.tar.gz", "aaaa"), components.Fetched("libfoo_1.2-3.debian.tar.xz", "bbbb"))
    assert foo.fetched[0] == components.Fetched("libfoo_1.2-3.dsc", components.sha256(places.sources / "libfoo_1.2-3.dsc"))


def test_what_is_not_there_is_named(places, tmp_path):
    with pytest.raises(components.ComponentError, match="^foo: 0 source packages match libfoo_"):
        components.resolve("macos-arm64", places, table(tmp_path, FOO))


@pytest.mark.parametrize("line, complaint", [('licence="MIT"\nfrom="wheel"\n', "does not say how it gets into"), ('licenze="MIT"\n', "unknown key: licenze"),
                                             ('from="heaven"\nheaders=["a/"]\nlicence="MIT"\n', "cannot be from 'heaven'")])
def test_a_wrong_entry_is_refused(places, tmp_path, line, complaint):
    with pytest.raises(components.ComponentError, match=f"^odd: .*{complaint}"):
        components.resolve("macos-arm64", places, table(tmp_path, f"[macos.odd]\n{line}"))


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="this system has no dpkg")
def test_an_installed_package_is_what_dpkg_says(places, tmp_path):
    entry = '[both.json]\nfrom="debian-package"\nowns="/usr/include/nlohmann/json.hpp"\nlicence="MIT"\nheaders=["nlohmann/"]\n'
    (json_library,) = components.resolve("macos-arm64", places, table(tmp_path, entry))
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "nlohmann-json3-dev"], capture_output=True, text=True).stdout
    assert json_library.version == said and b"MIT" in json_library.texts[0][1]
    assert json_library.fetched[0].name.startswith("nlohmann-json3-dev_") and len(json_library.fetched[0].sha256) == 64
