"""OpenSSL's own verification of an Ed25519 signature."""
import pathlib
import shutil
import subprocess
import tempfile

import pytest
import signing_key


def version():
    return subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout if shutil.which("openssl") else ""


needs_openssl = pytest.mark.skipif("OpenSSL 3" not in version(), reason="there is no OpenSSL 3")


def verifies(signed, signature, public):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "signed").write_bytes(signed)
        (folder / "signature").write_bytes(signature)
        (folder / "public.pem").write_text(signing_key.public_pem(public))
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "signed", "-sigfile", "signature"]
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
