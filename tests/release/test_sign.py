"""Calls of the signing tools: hardened runtime and entitlements per program, time stamps, identities of every kind; and their failures."""

import os
import shutil
import subprocess

import code_signature
import manifest
import pytest
import sign
from artefacts import ROOT

DAEMON = next(entry.code for entry in manifest.load().trees["daemon"] if entry.code and entry.code.name == "daemon")


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Stands for rcodesign: returns what it was called with."""
    log = tmp_path / "log"
    program = tmp_path / "rcodesign"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$(basename "$0") $*" >>"{log}"\ncase "$*" in *refused*) echo no such identity; exit 3;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda: log.read_text().splitlines()


@pytest.mark.parametrize(
    "identity, words",
    [
        ("a.pem", "--pem-file a.pem"),
        ("a.p12", "--p12-file a.p12 --p12-password-file a.p12.password"),
        ("smartcard", "--smartcard-slot 9c"),
    ],
)
def test_rcodesign_with_each_kind_of_identity(asked, identity, words):
    signer = sign.Rcodesign("rcodesign", identity, identity, sign.NO_TIMESTAMP)
    signer.sign_code("bin/mlxrunnerd", DAEMON)
    (line,) = asked()
    assert f"sign {words} --timestamp-url none --code-signature-flags runtime" in line
    assert f"--entitlements-xml-file {DAEMON.entitlements}" in line


def test_a_bundles_nested_code_is_left_as_it_is(asked):
    sign.Rcodesign("rcodesign", "a.pem", "a.pem", sign.NO_TIMESTAMP).sign_bundle("MLXR.app", DAEMON)
    (line,) = asked()
    assert all(f"--exclude Contents/{folder}/**" in line for folder in ("Frameworks", "Helpers", "Resources"))


def test_a_refusal_is_said_and_ends_the_release(asked, capsys):
    with pytest.raises(subprocess.CalledProcessError):
        sign.Rcodesign("rcodesign", "refused.pem", "a.pem", sign.NO_TIMESTAMP).sign_code("bin/mlx", DAEMON)
    assert "no such identity" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["daemon", "cli"])
def test_the_info_plist_in_a_program_is_sealed_with_it(name, tmp_path):
    entry = next(entry for entry in manifest.load().trees["daemon"] if entry.code and entry.code.name == name)
    built, rcodesign = ROOT / "build" / "macos-arm64" / entry.source, ROOT / ".deps" / "cargo" / "bin" / "rcodesign"
    if not built.exists() or not rcodesign.exists():
        pytest.skip("needs what `make cross-macos` builds, and rcodesign (scripts/setup release-tools)")
    program = shutil.copy(built, tmp_path / "program")
    identity = sign.test_identity(rcodesign, "developer-id-application", tmp_path / "identity.pem")
    sign.Rcodesign(rcodesign, identity, identity, sign.NO_TIMESTAMP).sign_code(program, entry.code)
    assert code_signature.program_problems(program) == []
    data = program.read_bytes()
    info = code_signature.embedded_info_plist(data)
    assert info and code_signature.read(program).best.special[code_signature.INFO_PLIST]
    program.write_bytes(data.replace(info, info.replace(DAEMON.identifier.encode()[:8], b"another.")))
    assert "program: what slot 1 seals is not what was signed" in code_signature.program_problems(program)
