#!/usr/bin/env python3
"""Writes the Homebrew formula (command and daemon) and cask (the app) for existing artefacts.

    brew.py ARTEFACTS TAP      TAP/Formula/mlxrunner.rb, TAP/Casks/mlxr.rb
"""
import argparse
import pathlib
import string
import sys

import manifest
from digest import sha256

TEMPLATES = pathlib.Path(__file__).with_name("homebrew")
FILES = {"mlxrunner.rb": "Formula", "mlxr.rb": "Casks"}


def find(folder, pattern):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ValueError(f"{len(found)} files match {pattern} in {folder}, not one")
    return found[0]


def values(folder, version, names):
    """The values of the templates' $name; names: [identity] of the manifest."""
    zipped = find(folder, f"mlxrunnerd-{version}-macos-arm64*.zip")
    dmg = find(folder, f"MLXR-{version}*.dmg")
    return {**names, "version": version, "zip": zipped.name, "zip_sha256": sha256(zipped),
            "dmg": dmg.name, "dmg_sha256": sha256(dmg)}


def _fill(template, filled):
    return string.Template(manifest.fill(template, filled)).substitute(filled)


def render(filled):
    """Name of the file in the tap → its text."""
    return {f"{folder}/{name}": _fill((TEMPLATES / f"{name}.in").read_text(), filled) for name, folder in FILES.items()}


def write(texts, tap):
    for name, text in texts.items():
        (tap / name).parent.mkdir(parents=True, exist_ok=True)
        (tap / name).write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("artefacts", type=pathlib.Path)
    parser.add_argument("tap", type=pathlib.Path)
    arguments = parser.parse_args()
    loaded = manifest.load()
    write(render(values(arguments.artefacts, loaded.channel.version, loaded.identity)), arguments.tap)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"brew: {error}")
