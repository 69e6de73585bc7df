"""The content of each macOS artefact, read with third-party tools, matches release/manifest.toml."""

import contextlib
import hashlib
import json
import plistlib
import shutil
import stat
import subprocess
import zipfile

import bom
import checksums
import manifest
import pytest
import signing_key
from artefacts import FOLDER, ROOT, find, output, release_key, tool
from clean_system import CleanSystem

MANIFEST = manifest.load()


def expected(tree):
    """({path: mode} of the files that the manifest names, [folders whose contents are their source's])."""
    files = {entry.to: entry.mode for entry in MANIFEST.trees[tree] if not entry.to.endswith("/")}
    return files, [entry.to for entry in MANIFEST.trees[tree] if entry.to.endswith("/")]


def check(found, tree):
    """found: {path: mode} of an artefact's files."""
    files, folders = expected(tree)
    inside = {path for path in found.keys() - files.keys() if any(path.startswith(folder) for folder in folders)}
    assert found.keys() - inside == files.keys()
    assert {path: oct(found[path]) for path in files} == {path: oct(mode) for path, mode in files.items()}
    for folder in folders:
        assert any(path.startswith(folder) for path in inside), f"{folder} is empty"
    assert {found[path] for path in inside} <= {0o644}


SEAL, TICKET = "Contents/_CodeSignature/CodeResources", "Contents/CodeResources"


def check_app(found, artefact):
    """An app also holds its seal, and what Apple's notary service stapled to it where the artefact was notarized."""
    beside = {SEAL} if "unnotarized" in artefact.name else {SEAL, TICKET}
    assert beside <= found.keys()
    check({path: mode for path, mode in found.items() if path not in beside}, "app")


def zipped(path, inside):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist() if not info.is_dir()}
    assert all(name.startswith(inside + "/") for name in modes)
    return {name.removeprefix(inside + "/"): stat.S_IMODE(mode) for name, mode in modes.items()}


def test_the_zip_holds_the_app():
    artefact = find("MLXR-*[!s].zip")
    check_app(zipped(artefact, "MLXR.app"), artefact)


def test_a_stapled_app_has_its_ticket_and_no_other_more(tmp_path):
    files = {path: mode for path, mode in expected("app")[0].items()} | {f"{folder}x": 0o644 for folder in expected("app")[1]}
    notarized, not_notarized = tmp_path / "MLXR-1.0.zip", tmp_path / "MLXR-1.0-unnotarized.zip"
    check_app(files | {SEAL: 0o644}, not_notarized)
    check_app(files | {SEAL: 0o644, TICKET: 0o644}, notarized)
    for found, artefact in (({SEAL: 0o644}, notarized), ({SEAL: 0o644, TICKET: 0o644}, not_notarized), ({SEAL: 0o644, TICKET: 0o644, "Contents/more": 0o644}, notarized)):
        with pytest.raises(AssertionError):
            check_app(files | found, artefact)


def test_the_daemons_zip():
    check(zipped(find("mlxrunnerd-*.zip"), "mlxrunner"), "daemon")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The DMG's HFS+ partition, as dmg2img decompresses it."""
    partition = tmp_path_factory.mktemp("dmg") / "partition"
    subprocess.run([tool("dmg2img", "dmg2img"), "-s", find("MLXR-*.dmg"), partition], check=True, stdout=subprocess.DEVNULL)
    return partition


def hfs_entries(partition):
    """{path: (mode, link target)} of a partition, by libfshfs."""
    pyfshfs = pytest.importorskip("pyfshfs", reason="PyPI libfshfs-python is not installed: scripts/setup release")
    volume = pyfshfs.volume()
    volume.open(str(partition))
    found = {}

    def walk(entry, path):
        for child in entry.sub_file_entries:
            name = f"{path}{child.name}"
            if stat.S_ISDIR(child.file_mode):
                walk(child, name + "/")
            else:
                found[name] = (child.file_mode, child.symbolic_link_target)

    walk(volume.get_root_directory(), "")
    return found


def test_the_disk_image_by_libfshfs(image):
    found = hfs_entries(image)
    app = {name.removeprefix("MLXR.app/"): stat.S_IMODE(mode) for name, (mode, _) in found.items() if name.startswith("MLXR.app/")}
    check_app(app, find("MLXR-*.dmg"))
    assert found.keys() - {f"MLXR.app/{name}" for name in app} >= {"Applications", "License.txt", ".DS_Store", ".background/background.png"}
    mode, target = found["Applications"]
    assert stat.S_ISLNK(mode) and target.strip("\0") == "/Applications"


def test_the_disk_image_by_7zip():
    listing = output(tool("7zz", "7zip"), "l", "-slt", find("MLXR-*.dmg"))
    names = {line.removeprefix("Path = ").removeprefix("MLXR/") for line in listing.splitlines() if line.startswith("Path = ")}
    files, _ = expected("app")
    assert {f"MLXR.app/{name}" for name in files} <= names


def test_the_finder_window_shows_the_app_beside_applications(image, tmp_path):
    ds_store = pytest.importorskip("ds_store", reason="PyPI ds-store is not installed: scripts/setup release")
    subprocess.run([tool("7zz", "7zip"), "e", "-y", f"-o{tmp_path}", find("MLXR-*.dmg"), "*/.DS_Store", "-r"], check=True, stdout=subprocess.DEVNULL)
    with ds_store.DSStore.open(str(tmp_path / ".DS_Store"), "r") as store:
        places = {entry.filename: entry.value for entry in store if entry.code == b"Iloc"}
        assert store["."]["icvp"]["backgroundImageAlias"]
    assert places.keys() == {"MLXR.app", "Applications", "License.txt"}
    assert places["MLXR.app"][0] < places["Applications"][0] and places["MLXR.app"][1] == places["Applications"][1]


def unpack_by_bsdtar(package, folder):
    subprocess.run([tool("bsdtar", "libarchive-tools"), "-xf", package, "-C", folder], check=True)


def unpack_by_xar(package, folder):
    """Apple's own program, which only newer systems have: it runs in a minimal one."""
    with contextlib.closing(CleanSystem("trixie")) as system:
        system.apt_install("xar")
        inside = system.put(package, f"/srv/{package.name}")
        system.as_root("sh", "-c", f"cd /srv && mkdir out && cd out && xar -xf '{inside}'")
        shutil.copytree(system.path("/srv/out"), folder, dirs_exist_ok=True)


@pytest.fixture(scope="module", params=[unpack_by_bsdtar, unpack_by_xar], ids=["bsdtar", "xar"])
def package(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pkg")
    request.param(find("MLXR-*.pkg"), folder)
    return folder


def test_what_lies_in_the_package(package):
    wanted = {"Distribution", "Resources/LICENSE"}
    for component in MANIFEST.components:
        wanted |= {f"{component.name}.pkg/{name}" for name in ("Bom", "PackageInfo", "Payload", *(["Scripts"] if component.scripts else []))}
    assert {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()} == wanted


@pytest.mark.parametrize("component", MANIFEST.components, ids=lambda component: component.name)
def test_a_component_of_the_package(package, component):
    listing = output("bsdtar", "-tvf", package / f"{component.name}.pkg" / "Payload").splitlines()
    found = {}
    for line in listing:
        mode, _, owner, group, *_, name = line.split()
        assert (owner, group) == ("root", "wheel") or (owner, group) == ("0", "0") or (owner, group) == ("root", "root"), line
        if mode.startswith("-"):
            bits = sum(1 << (8 - i) for i, letter in enumerate(mode[1:10]) if letter != "-")
            found[name.removeprefix("./").removeprefix(component.folder + "/" if component.folder else "")] = bits
        else:
            assert mode == "drwxr-xr-x", line
    check_app(found, find("MLXR-*.pkg")) if component.tree == "app" else check(found, component.tree)


@pytest.mark.parametrize("component", MANIFEST.components, ids=lambda component: component.name)
def test_the_bill_of_materials_of_a_component(package, component, tmp_path):
    subprocess.run(["bsdtar", "-xpf", package / f"{component.name}.pkg" / "Payload", "-C", tmp_path], check=True)
    assert bom.problems((package / f"{component.name}.pkg" / "Bom").read_bytes(), tmp_path) == []


def test_the_packages_distribution(package):
    import xml.etree.ElementTree as ElementTree

    root = ElementTree.parse(package / "Distribution").getroot()
    with zipfile.ZipFile(find("MLXR-*[!s].zip")) as archive:
        build = plistlib.loads(archive.read("MLXR.app/Contents/Info.plist"))["CFBundleVersion"]
    version = f"{(ROOT / 'VERSION').read_text().strip()}.{build}"  # so that the installer tells a beta from what follows it
    assert root.find("options").get("hostArchitectures") == "arm64"
    assert root.find("volume-check/allowed-os-versions/os-version").get("min") == MANIFEST.product["minimum_macos"]
    assert {choice.get("id") for choice in root.findall("choice")} == {component.name for component in MANIFEST.components}
    assert {ref.text: ref.get("version") for ref in root.findall("pkg-ref") if (ref.text or "").strip()} == {
        f"#{component.name}.pkg": version for component in MANIFEST.components
    }
    for component in MANIFEST.components:
        info = ElementTree.parse(package / f"{component.name}.pkg" / "PackageInfo").getroot()
        assert info.get("install-location") == component.location and info.get("auth") == "root" and info.get("version") == version
        scripts = output("bsdtar", "-tf", package / f"{component.name}.pkg" / "Scripts").split() if component.scripts else []
        wanted = {path.name for path in component.scripts.iterdir()} | {"daemons.sh"} if component.scripts else set()
        assert {name.removeprefix("./") for name in scripts} - {"", "."} == wanted
        assert {script.tag for script in info.findall("scripts/*")} == wanted - {"daemons.sh"}
    assert [app.get("id") for app in root.findall("pkg-ref/must-close/app")] == [MANIFEST.identity["app_id"]]


@pytest.mark.parametrize("job", ["app", "package"])
def test_a_job_of_launchd(job):
    with zipfile.ZipFile(find("MLXR-*[!s].zip" if job == "app" else "mlxrunnerd-*.zip")) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(f"/{MANIFEST.identity['app_agent' if job == 'app' else 'daemon_id']}.plist")]
        plist = plistlib.loads(archive.read(name))
    assert plist["Label"] == name.rpartition("/")[2].removesuffix(".plist")
    assert plist["KeepAlive"] == {"Crashed": True} and plist["ThrottleInterval"] >= 30 and plist["RunAtLoad"]
    assert plist["ProgramArguments"][-1] == "--log-file" and plist["ExitTimeOut"] > 10  # more than a running answer has to end


def test_info_plist():
    with zipfile.ZipFile(find("MLXR-*[!s].zip")) as archive:
        info = plistlib.loads(archive.read("MLXR.app/Contents/Info.plist"))
        agent = plistlib.loads(archive.read(f"MLXR.app/Contents/Library/LaunchAgents/{MANIFEST.identity['app_agent']}.plist"))
        icon = archive.read("MLXR.app/Contents/Resources/MLXR.icns")
        key = archive.read("MLXR.app/Contents/Resources/sparkle/public_ed25519").decode().strip()
    assert info["CFBundleShortVersionString"] == MANIFEST.channel.version
    assert info["LSMinimumSystemVersion"] == "14.0" and int(info["CFBundleVersion"]) > 0
    assert not [key for key in info if key.endswith("UsageDescription")], "privacy strings for what the app does not use"
    assert info["SUPublicEDKey"] == key
    assert signing_key.public_from(key) == release_key()
    checksums.verify(FOLDER, release_key())
    assert agent["BundleProgram"] == "Contents/Helpers/mlxrunnerd" and agent["ProgramArguments"] == ["mlxrunnerd", "--log-file"]
    assert agent["Label"] == MANIFEST.identity["app_agent"]
    assert icon[:4] == b"icns" and int.from_bytes(icon[4:8], "big") == len(icon)


def test_the_kernel_packs_manifest_names_the_library_as_it_is_signed():
    folder = "MLXR.app/Contents/Resources/kernels/cpu"
    with zipfile.ZipFile(find("MLXR-*[!s].zip")) as archive:
        fields = json.loads(archive.read(f"{folder}/manifest.json"))
        assert fields["sha256"] == hashlib.sha256(archive.read(f"{folder}/{fields['library']}")).hexdigest()


@pytest.mark.parametrize(("pattern", "folder"), [("MLXR-*[!s].zip", "MLXR.app/Contents/Resources/kernels"), ("mlxrunnerd-*.zip", "mlxrunner/lib/kernels/metal")])
def test_the_metal_pack_is_whole_and_says_what_it_is(pattern, folder):
    with zipfile.ZipFile(find(pattern)) as archive:
        fields = json.loads(archive.read(f"{folder}/manifest.json"))
        assert {name: hashlib.sha256(archive.read(f"{folder}/{name}")).hexdigest() for name in fields["files"]} == fields["files"]
    compiled = list(FOLDER.glob("kernels-*.metallib"))
    assert (fields["form"], len(compiled)) in {("metallib", 1), ("sources", 0)}
    assert {"rms_norm_simd", "rms_norm_group"} <= fields["functions"].keys()


@pytest.mark.parametrize("pattern", ["MLXR-*[!s].zip", "mlxrunnerd-*.zip"])
def test_no_path_of_the_machine_that_built_it(pattern):
    with zipfile.ZipFile(find(pattern)) as archive:
        assert [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)] == []


def test_the_symbols_are_apart_and_belong_to_the_programs():
    lief = pytest.importorskip("lief", reason="PyPI lief is not installed: scripts/setup release")
    uuids = {}
    for pattern in ("MLXR-*[!s].zip", "MLXR-*-symbols.zip"):
        with zipfile.ZipFile(find(pattern)) as archive:
            for name in archive.namelist():
                data = archive.read(name)
                if data[:4] == b"\xcf\xfa\xed\xfe":
                    uuids.setdefault(name.rpartition("/")[2], set()).add(bytes(lief.MachO.parse(list(data)).at(0).uuid.uuid))
    for program in ("MLXR", "mlxrunnerd", "mlx", "libmlxrunner_core.dylib", "libmlxr_kernels_cpu.so"):
        assert len(uuids[program]) == 1, program


@pytest.mark.parametrize("program, room", [("mlxrunnerd", "daemon"), ("mlx", "cli")])
def test_the_symbols_have_the_lines_of_every_file(program, room, tmp_path):
    with zipfile.ZipFile(find("MLXR-*-symbols.zip")) as archive:
        inside = f"symbols/{program}.dSYM/Contents/Resources/DWARF/{program}"
        archive.extract(inside, tmp_path)
    listed = output(tool("llvm-dwarfdump-19", "llvm-19"), "--show-sources", tmp_path / inside)
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / room).rglob("*.cpp") if not path.stem.endswith("_linux")}
    assert len(sources) > 10 and {source for source in sources if f"/{source}\n" not in listed} == set()


def test_sizes():
    with zipfile.ZipFile(find("MLXR-*[!s].zip")) as archive:
        assert sum(info.file_size for info in archive.infolist()) < 250e6
    assert find("MLXR-*.dmg").stat().st_size < 60e6
