"""What is in the Linux packages, read by dpkg-deb, bsdtar, tar and readelf."""

import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess

import components
import manifest
import pytest
from packages import ARTEFACTS, DEBIAN_VERSION, LIBRARY, MACHINES, NUMBER, ROOT, SOVERSION, VERSION, deb, emulator, field, output, tarball

ARCHITECTURES = ["amd64", "arm64"]
IDENTITY = manifest.load().identity

# Where MLXR's own libraries lie comes first; the others are the system's, with the same soname in Debian 12 and 13 and Ubuntu 24.04.
SYSTEM = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
          "libarchive.so.13", "libcrypto.so.3", "libcurl.so.4", "libpcre2-8.so.0", "libsqlite3.so.0"}  # fmt: skip
RPATHS = {"mlx": "$ORIGIN/../lib/mlxrunner", "mlxr": "$ORIGIN/../lib/mlxrunner", "mlxrunnerd": "$ORIGIN/../lib/mlxrunner", "libmlx.so": "$ORIGIN",
          f"libmlxrunner_core.so.{NUMBER}": "$ORIGIN/mlxrunner"}  # fmt: skip
CONTENTS = """
    bin/mlx bin/mlxrunnerd lib/mlxrunner/libmlx.so lib/mlxrunner/kernels/cpu/libmlxr_kernels_cpu.so lib/mlxrunner/kernels/cpu/manifest.json
    lib/systemd/user/mlxrunnerd.service share/mlxrunner/server.yaml share/man/man1/mlx.1 share/man/man8/mlxrunnerd.8
    share/bash-completion/completions/mlx share/fish/vendor_completions.d/mlx.fish share/zsh/vendor-completions/_mlx
    share/doc/mlxrunner/changelog share/doc/mlxrunner/copyright share/doc/mlxrunner/fleet.md share/doc/mlxrunner/LICENSE share/doc/mlxrunner/NOTICE
""".split() + [f"share/doc/mlxrunner/licenses/{name}" for name in
    "libbsd-dev libcli11-dev libedit-dev libfmt-dev libmd-dev libncurses-dev libsodium-dev libspdlog-dev libyaml-cpp-dev mlx nlohmann-json3-dev".split()]  # fmt: skip
TOOLKIT = {f"lib{name}" for name in "glib-2.0.so.0 gio-2.0.so.0 gobject-2.0.so.0 gtk-4.so.1 javascriptcoregtk-6.0.so.1 webkitgtk-6.0.so.4".split()}  # the window's
WHEEL = re.compile(r"lib/mlxrunner/lib(blas|lapack|gfortran|quadmath)-[0-9a-f]{8}\.so\.[0-9.]+")
WINDOW = re.compile(r"bin/mlxr|share/(man/man1/mlxr.1|mlxrunner/ui/.*|applications/.*|metainfo/.*|icons/.*)")  # in the archive, where it was built


def need(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed (scripts/setup package)")


def members(listing):
    """{path: (mode, owner, link)} of what `tar -tv` prints."""
    found = {}
    for line in listing.splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        path, _, link = path.partition(" -> ")
        found[path.removeprefix("./").rstrip("/")] = (mode, owner, link)
    return found


@pytest.fixture(scope="session", params=ARCHITECTURES)
def architecture(request):
    return request.param


@pytest.fixture(scope="session")
def unpacked(architecture, tmp_path_factory):
    """The prefix of the archive and that of the packages, each under a folder of its own."""
    need("bsdtar")
    folder = tmp_path_factory.mktemp(architecture)
    subprocess.run(["bsdtar", "-C", folder, "-xf", tarball(architecture)], check=True)
    for name in ("mlxrunner", LIBRARY, "libmlxrunner-dev"):
        subprocess.run(["dpkg-deb", "-x", deb(name, architecture), folder / name], check=True)
    return {"archive": folder / f"mlxrunner-{VERSION}-linux-{MACHINES[architecture]}", "mlxrunner": folder / "mlxrunner" / "usr",
            LIBRARY: folder / LIBRARY / "usr", "libmlxrunner-dev": folder / "libmlxrunner-dev" / "usr"}  # fmt: skip


@pytest.fixture(scope="session")
def binaries(unpacked):
    files = [file for prefix in unpacked.values() for file in prefix.rglob("*") if file.is_file() and not file.is_symlink()]
    found = [file for file in files if file.read_bytes()[:4] == b"\x7fELF"]
    assert len(found) >= 2 * 7 + 1
    return found


def dynamic(file, tag):
    return re.findall(rf"\({tag}\).*\[(.*)\]", output("readelf", "-d", file))


def listings(architecture):
    prefix = f"mlxrunner-{VERSION}-linux-{MACHINES[architecture]}/"
    yield "usr/", members(output("dpkg-deb", "-c", deb("mlxrunner", architecture)))
    yield "usr/", members(output("dpkg-deb", "-c", deb(LIBRARY, architecture)))
    yield "usr/", members(output("dpkg-deb", "-c", deb("libmlxrunner-dev", architecture)))
    yield prefix, members(output("tar", "--zstd", "-tvf", tarball(architecture)))


def as_debian_has_them(contents):
    """Manual pages and changelogs are compressed; the licence is in /usr/share/common-licenses; the changelog is one in Debian's format."""
    doc = "share/doc/mlxrunner"
    files = {f"{path}.gz" if "/man/" in path else path for path in contents} - {f"{doc}/changelog", f"{doc}/LICENSE"}
    return files | {f"{doc}/changelog.gz", f"{doc}/CHANGELOG.md.gz"}


# What lintian says and is meant. What MLXR links in differs between the systems that one package serves; MLX is as its wheel has it; CPack
# calls ldconfig itself; the daemon's own check of an installation reads dpkg's database; the .pc file is where the prefix is, not a system's.
KEPT = {"embedded-library", "unstripped-binary-or-object", "maintscript-calls-ldconfig", "uses-dpkg-database-directly",
        "pkg-config-unavailable-for-cross-compilation"}  # fmt: skip


@pytest.mark.parametrize("name", ["mlxrunner", LIBRARY, "libmlxrunner-dev", "mlxrunner-app"])
def test_lintian_finds_nothing_else(name):
    need("lintian")
    run = subprocess.run(["lintian", "--no-cfg", "--allow-root", "--display-level", ">=warning", deb(name)], capture_output=True, text=True)
    assert run.returncode in (0, 2), run.stderr
    assert [line for line in run.stdout.splitlines() if line[:2] in ("E:", "W:") and line.split()[2] not in KEPT] == []


def test_contents(architecture):
    programs, library, dev, archive = ({path.removeprefix(prefix): what for path, what in files.items() if not what[0].startswith("d")}
                              for prefix, files in listings(architecture))  # fmt: skip
    for files, wanted in ((programs, as_debian_has_them(CONTENTS)), (archive, set(CONTENTS))):
        assert {path for path in files if not WHEEL.fullmatch(path) and not WINDOW.fullmatch(path)} == wanted
    assert not [path for path in programs if WINDOW.fullmatch(path)]  # a package of its own
    so, link = f"lib/libmlxrunner_core.so.{NUMBER}", f"lib/libmlxrunner_core.so.{SOVERSION}"
    assert set(library) == {so, link, f"share/doc/{LIBRARY}/changelog.gz", f"share/doc/{LIBRARY}/copyright"}
    assert library[link][2] == pathlib.PurePath(so).name
    headers = {f"include/mlxrunner/{file.name}" for room in ("core", "platform") for file in (ROOT / room / "include" / "mlxrunner").glob("*.h")}
    assert set(dev) == headers | {"lib/libmlxrunner_core.so", "lib/libmlxrunner_core.a", "lib/pkgconfig/mlxrunner_core.pc",
                                  "share/doc/libmlxrunner-dev/changelog.gz", "share/doc/libmlxrunner-dev/copyright"}  # fmt: skip
    assert dev["lib/libmlxrunner_core.so"][2] == pathlib.PurePath(link).name


def test_owners_and_modes(architecture):
    for prefix, files in listings(architecture):
        for path, (mode, owner, link) in files.items():
            assert owner == "root/root", path
            program = path.startswith(prefix + "bin/")
            wanted = "lrwxrwxrwx" if link else "drwxr-xr-x" if mode[0] == "d" else "-rwxr-xr-x" if program else "-rw-r--r--"
            assert mode == wanted, path


def test_bsdtar_reads_the_same_archive(architecture):
    need("bsdtar")
    prefix, files = list(listings(architecture))[-1]
    assert {line.rstrip("/") for line in output("bsdtar", "-tf", tarball(architecture)).splitlines()} == set(files)
    assert {path.split("/")[0] for path in files} == {prefix.rstrip("/")}


def test_size(architecture):
    assert tarball(architecture).stat().st_size < 30_000_000


def test_architecture(architecture, binaries):
    machine = {"amd64": "X86-64", "arm64": "AArch64"}[architecture]
    for file in binaries:
        assert machine in output("readelf", "-h", file), file


def test_each_binary_is_relocatable(unpacked, binaries):
    for file in binaries:
        paths = dynamic(file, "RPATH") + dynamic(file, "RUNPATH")
        if file.name in RPATHS:
            assert paths == [RPATHS[file.name]], file
        else:
            assert paths in ([], ["$ORIGIN"]), file


def test_each_binary_finds_its_libraries(unpacked, binaries):
    own = {file.name for file in (unpacked["archive"] / "lib" / "mlxrunner").glob("*.so*")}
    for file in binaries:
        assert set(dynamic(file, "NEEDED")) <= own | SYSTEM | (TOOLKIT if file.name == "mlxr" else set()), file
    needed = {name for file in binaries for name in dynamic(file, "NEEDED")}
    assert own <= needed  # nothing is carried along for nothing


def test_no_path_of_the_building_machine(unpacked):
    for prefix in unpacked.values():
        for file in prefix.rglob("*"):
            if file.is_file() and not file.is_symlink():
                assert str(ROOT).encode() not in file.read_bytes(), file


def test_the_kernel_pack_is_what_its_manifest_says(unpacked):
    for name in ("archive", "mlxrunner"):
        folder = unpacked[name] / "lib" / "mlxrunner" / "kernels" / "cpu"
        manifest = json.loads((folder / "manifest.json").read_text())
        assert hashlib.sha256((folder / manifest["library"]).read_bytes()).hexdigest() == manifest["sha256"]
        assert manifest["version"] == NUMBER


def test_the_programs_say_the_version_of_their_package(unpacked, architecture):
    runner = [] if MACHINES[architecture] == platform.machine() else emulator(architecture)
    for prefix in (unpacked["archive"], unpacked["mlxrunner"]):
        for name in ("mlx", "mlxrunnerd"):
            assert output(*runner, prefix / "bin" / name, "--version").strip() == f"{name} {VERSION}"


def test_the_package_says_what_it_needs(architecture):
    package = deb("mlxrunner", architecture)
    assert (field(package, "Package"), field(package, "Version"), field(package, "Architecture")) == ("mlxrunner", DEBIAN_VERSION, architecture)
    names = {one.split()[0] for one in field(package, "Depends").split(", ")}
    assert names == {"libarchive13", "libc6", "libcurl4", "libgcc-s1", "libpcre2-8-0", "libsqlite3-0", "libssl3", "libstdc++6"}
    assert f"{LIBRARY} (= {DEBIAN_VERSION})" in field(deb("libmlxrunner-dev", architecture), "Depends")
    assert f"mlxrunner (= {DEBIAN_VERSION})" in field(deb(LIBRARY, architecture), "Depends")


@pytest.fixture(scope="session")
def window(tmp_path_factory):
    """The prefix of the window's package, which there is for x86-64 only: the cross-build for arm64 has no WebKitGTK."""
    folder = tmp_path_factory.mktemp("window")
    subprocess.run(["dpkg-deb", "-x", deb("mlxrunner-app"), folder], check=True)
    return folder / "usr"


def test_the_windows_package_holds_the_window_and_nothing_else(window):
    files = {path.relative_to(window).as_posix() for path in window.rglob("*") if path.is_file()}
    name = IDENTITY["app_id"]
    pages = {f"share/mlxrunner/ui/{path.name}" for path in (ROOT / "app" / "ui").iterdir() if path.suffix in (".html", ".js", ".css", ".svg")}
    assert files == pages | {"bin/mlxr", "share/man/man1/mlxr.1.gz", f"share/applications/{name}.desktop", f"share/metainfo/{name}.metainfo.xml",
                             f"share/icons/hicolor/scalable/apps/{name}.svg", "share/doc/mlxrunner-app/changelog.gz", "share/doc/mlxrunner-app/copyright"}  # fmt: skip
    assert set(dynamic(window / "bin/mlxr", "NEEDED")) <= SYSTEM | TOOLKIT


def test_its_desktop_file_is_valid(window):
    need("desktop-file-validate")
    run = subprocess.run(["desktop-file-validate", window / f"share/applications/{IDENTITY['app_id']}.desktop"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


def test_its_appstream_metadata_is_valid(window):
    """But for what only a newer appstreamcli knows: it calls that "I: … unknown-tag"."""
    need("appstreamcli")
    file = window / f"share/metainfo/{IDENTITY['app_id']}.metainfo.xml"
    run = subprocess.run(["appstreamcli", "validate", "--no-net", file], capture_output=True, text=True)
    assert run.returncode == 0 and f'version="{VERSION}"' in file.read_text(), run.stdout
    assert [line for line in run.stdout.splitlines() if re.match(r"[EW]: ", line)] == []


def test_the_unit_is_valid(unpacked, architecture, tmp_path):
    need("systemd-analyze")
    unit = (unpacked["mlxrunner"] / "lib/systemd/user/mlxrunnerd.service").read_text()
    file = tmp_path / "mlxrunnerd.service"
    # systemd looks for the program and the manual where packages are installed.
    here = unit.replace("ExecStart=mlxrunnerd", f"ExecStart={unpacked['mlxrunner']}/bin/mlxrunnerd").replace("Documentation=man:mlxrunnerd(8)\n", "")
    assert here.count("\n") == unit.count("\n") - 1 and "ExecStart=/" in here
    file.write_text(here)
    run = subprocess.run(["systemd-analyze", "verify", "--user", file], env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_unit_of_the_archive_is_valid_where_the_documentation_puts_it(unpacked, architecture, tmp_path):
    """The lines of docs/install-linux.md, as they stand there, in a folder with a name of all kinds."""
    need("systemd-analyze")
    lines = re.search(r"If you use the archive, first.*?\n\n((?:    [^\n]+\n)+)", (ROOT / "docs" / "install-linux.md").read_text(), re.S)[1]
    folder = tmp_path / "My Pro|gr&ms %h"
    folder.symlink_to(unpacked["archive"])
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    subprocess.run(["bash", "-euc", lines], cwd=folder, env={**environment, "PWD": str(folder)}, check=True)
    unit = tmp_path / ".config/systemd/user/mlxrunnerd.service"
    unit.write_text(unit.read_text().replace("Documentation=man:mlxrunnerd(8)\n", "").replace("%h", str(tmp_path)))
    assert (tmp_path / ".local/opt/mlxrunner/bin/mlxrunnerd").exists()
    run = subprocess.run(["systemd-analyze", "verify", "--user", unit], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_libraries_of_the_wheel_are_named_with_their_versions_and_source(unpacked, architecture):
    platform_name = {"amd64": "linux-x86_64", "arm64": "linux-arm64"}[architecture]
    parts = components.wheel_bundle(platform_name, components.Places(ROOT / ".deps" / "wheels", None, None))
    for name in ("archive", "mlxrunner"):
        text = (unpacked[name] / "share/doc/mlxrunner/copyright").read_text()
        for library, package in (("libgfortran5", "gcc"), ("libquadmath0", "gcc"), ("libblas3", "lapack")):
            assert f"({package} {parts[library]['version']})" in text, library
        assert f"gcc-12_{parts['libgfortran5']['version']}.dsc" in text  # the offer of the GPL and the LGPL


def test_packing_again_makes_the_same_bytes(tmp_path):
    """Of the same build; test_reproduce.py compiles again."""
    subprocess.run([ROOT / "scripts" / "package-linux"], env={**os.environ, "OUT": str(tmp_path)}, check=True, capture_output=True)
    made = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir()}
    assert tarball().name in made
    assert made == {name: hashlib.sha256((ARTEFACTS / name).read_bytes()).hexdigest() for name in made}
