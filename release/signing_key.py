#!/usr/bin/env python3
"""The Ed25519 key of a release: a file with the base64 of its 32-byte seed, as Sparkle keeps it.

    signing_key.py new FILE       creates a key, readable only by this user, and prints its public half for release_key in manifest.toml
    signing_key.py public FILE    prints the public half
"""
import argparse
import base64
import binascii
import os
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def load(path):
    return Ed25519PrivateKey.from_private_bytes(decode(path.read_text(), f"{path}: not the base64 of a 32-byte seed"))


def new(path):
    """Makes a key. Errors: FileExistsError; a key is never overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(base64.b64encode(os.urandom(32)).decode())
    return load(path)


def public_text(key):
    """The public half in base64, as Info.plist has it in SUPublicEDKey."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def public_from(text):
    return Ed25519PublicKey.from_public_bytes(decode(text, f"'{text}' is not an Ed25519 public key: 32 bytes in base64"))


def public_pem(public):
    """The same for openssl."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def decode(text, complaint):
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise ValueError(complaint) from None
    if len(raw) != 32:
        raise ValueError(complaint)
    return raw


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("new", "public"))
    parser.add_argument("file", type=pathlib.Path)
    arguments = parser.parse_args()
    print(public_text(new(arguments.file) if arguments.command == "new" else load(arguments.file)))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"signing_key: {error}")
