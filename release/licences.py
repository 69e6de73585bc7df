#!/usr/bin/env python3
"""Collects the license texts of all components that MLXR ships.

    licences.py PLATFORM FOLDER    makes FOLDER: MLXR's own LICENSE and NOTICE, NAME/… for each component, and index.txt
"""
import argparse
import pathlib
import sys

import components

OWN = ("LICENSE", "NOTICE")


def collect(parts, folder, root=components.ROOT):
    """Writes nothing if a component has no text."""
    if missing := [part.name for part in parts if not any(text.strip() for _, text in part.texts)]:
        raise components.ComponentError(f"{', '.join(missing)}: no licence text where {components.TABLE.name} says that it is")
    folder.mkdir(parents=True)
    for name in OWN:
        (folder / name).write_bytes((root / name).read_bytes())
    for part in parts:
        (folder / part.name).mkdir()
        for name, text in part.texts:
            path = folder / part.name / pathlib.PurePath(name).name
            if path.exists():
                raise components.ComponentError(f"{part.name}: two of its licence texts are called {path.name}")
            path.write_bytes(text)
    (folder / "index.txt").write_text(index(parts))


def index(parts):
    rows = [("component", "version", "licence (SPDX)", "texts")]
    rows += [(part.name, part.version, part.licence, ", ".join(f"{part.name}/{pathlib.PurePath(name).name}" for name, _ in part.texts)) for part in parts]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]) for row in rows]
    return "MLXR: Apache-2.0 (LICENSE, NOTICE). It contains:\n\n" + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("platform", choices=components.PLATFORMS)
    parser.add_argument("folder", type=pathlib.Path, help="must not exist yet")
    arguments = parser.parse_args()
    if arguments.folder.exists():
        sys.exit(f"licences: {arguments.folder} exists already")
    collect(components.resolve(arguments.platform), arguments.folder)


if __name__ == "__main__":
    try:
        main()
    except components.ComponentError as error:
        sys.exit(f"licences: {error}")
