#!/usr/bin/env python3
"""SHA256SUMS over a folder of artefacts, as sha256sum writes it, and SHA256SUMS.sig, its Ed25519 signature (64 bytes).

    checksums.py write FOLDER --key FILE        prints the public key
    checksums.py verify FOLDER --public KEY     KEY: base64, as printed
    checksums.py pem --public KEY               for: openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
"""
import argparse
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature

import signing_key
from digest import sha256

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"


def artefacts(folder):
    """The files of a folder that are listed in SHA256SUMS, sorted by name."""
    paths = [path for path in sorted(folder.iterdir()) if path.name not in (SUMS, SIGNATURE)]
    for path in paths:
        if not path.is_file() or path.is_symlink():
            raise ValueError(f"{path} is not a plain file: only files are released")
        if not re.fullmatch(r"[\w.+~-]+", path.name, re.ASCII):
            raise ValueError(f"'{path.name}': the name of an artefact may have letters, digits and . _ + ~ - only")
    if not paths:
        raise ValueError(f"{folder} has no artefacts")
    return paths


def write(folder, key):
    sums = "".join(f"{sha256(path)}  {path.name}\n" for path in artefacts(folder)).encode()
    (folder / SUMS).write_bytes(sums)
    (folder / SIGNATURE).write_bytes(key.sign(sums))


def verify(folder, public):
    """Errors: ValueError, which names the first problem."""
    sums = (folder / SUMS).read_bytes()
    try:
        public.verify((folder / SIGNATURE).read_bytes(), sums)
    except InvalidSignature:
        raise ValueError(f"{folder / SIGNATURE} is not this key's signature over {SUMS}") from None
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in sums.decode().splitlines())}
    present = {path.name: path for path in artefacts(folder)}
    if names := listed.keys() ^ present.keys():
        raise ValueError(f"{', '.join(sorted(names))}: in {SUMS} or in {folder}, but not in both")
    if names := [name for name, path in present.items() if sha256(path) != listed[name]]:
        raise ValueError(f"{', '.join(names)}: not what {SUMS} says")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, option in (("write", "--key"), ("verify", "--public")):
        command = commands.add_parser(name)
        command.add_argument("folder", type=pathlib.Path)
        command.add_argument(option, required=True)
    commands.add_parser("pem").add_argument("--public", required=True)
    arguments = parser.parse_args()
    if arguments.command == "write":
        key = signing_key.load(pathlib.Path(arguments.key))
        write(arguments.folder, key)
        print(signing_key.public_text(key))
    elif arguments.command == "verify":
        verify(arguments.folder, signing_key.public_from(arguments.public))
    else:
        print(signing_key.public_pem(signing_key.public_from(arguments.public)), end="")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"checksums: {error}")
