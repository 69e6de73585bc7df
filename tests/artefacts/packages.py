"""The Linux packages that scripts/package-linux left in build/release-artefacts."""

import pathlib
import shutil
import subprocess

import manifest
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "build" / "release-artefacts"
NUMBER = (ROOT / "VERSION").read_text().strip()
VERSION = manifest.load().channel.version
DEBIAN_VERSION = VERSION.replace("-", "~")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_major, _minor = NUMBER.split(".")[:2]
SOVERSION = _major if _major != "0" else f"0.{_minor}"  # before 1.0 each minor version is one of its own
LIBRARY = f"libmlxrunner-core{SOVERSION}"
PRESETS = {"amd64": "release", "arm64": "arm64-linux-release"}


def deb(name, architecture="amd64"):
    return built(ARTEFACTS / f"{name}_{VERSION}_{architecture}.deb", architecture)


def tarball(architecture="amd64"):
    return built(ARTEFACTS / f"mlxrunner-{VERSION}-linux-{MACHINES[architecture]}.tar.zst", architecture)


def built(file, architecture):
    if not file.exists():
        pytest.skip(f"{file.name} is not built: run scripts/package-linux {PRESETS[architecture]}")
    return file


def emulator(architecture):
    """The words before a program of another architecture: qemu, with the libraries that the cross-build links."""
    root = ROOT / ".deps" / f"{architecture}-linux" / "root"
    name = f"qemu-{MACHINES[architecture]}-static"
    if not root.exists() or not shutil.which(name):
        pytest.skip(f"{architecture}'s programs need an emulator here: scripts/setup cross-{architecture}-linux")
    return [name, "-L", root]


def output(*words, **options):
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True, **options).stdout


def field(package, name):
    return output("dpkg-deb", "-f", package, name).strip()
