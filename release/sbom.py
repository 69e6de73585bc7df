#!/usr/bin/env python3
"""Writes the content of an artefact as SPDX 2.3 and CycloneDX 1.6: FOLDER/ARTEFACT.spdx.json and .cdx.json.

    SOURCE_DATE_EPOCH=… sbom.py PLATFORM BUILD TREE ARTEFACT FOLDER

TREE is the artefact's staged files, BUILD the build folder its programs come from. The output is deterministic.
"""
import argparse
import datetime
import os
import pathlib
import sys

import components
import inventory
import linkage
import manifest
import sbom_cyclonedx
import sbom_spdx


def write(taken, created, folder):
    texts = {"spdx": sbom_spdx.write(taken, created), "cdx": sbom_cyclonedx.write(taken, created)}
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in texts.items():
        (folder / f"{taken.artefact}.{kind}.json").write_text(text)


def take(platform, build, tree, artefact, version):
    parts = components.resolve(platform)
    own = [path.name for path in linkage.binaries(tree) if not any(linkage.matches(path.name, part.files) for part in parts)]
    return inventory.take(artefact, version, tree, linkage.read(build, own), parts)


def source_date():
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isdecimal():
        raise components.ComponentError("SOURCE_DATE_EPOCH is not set to a number of seconds: it is the time that the documents carry")
    return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("platform", choices=components.PLATFORMS)
    for name in ("build", "tree"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("artefact", help="its file name")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.tree.is_dir():
        raise components.ComponentError(f"there is no folder {arguments.tree}")
    version = manifest.load().channel.version
    write(take(arguments.platform, arguments.build, arguments.tree, arguments.artefact, version), source_date(), arguments.folder)


if __name__ == "__main__":
    try:
        main()
    except (components.ComponentError, ValueError) as error:
        sys.exit(f"sbom: {error}")
