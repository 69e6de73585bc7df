"""The artefacts that `make release` made, opened by third-party tools."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "release-artefacts"
sys.path.insert(0, str(ROOT / "release"))


def find(pattern):
    """The one artefact of that name. Skips the test where it was not made."""
    found = sorted(FOLDER.glob(pattern))
    if not found:
        pytest.skip(f"{pattern} was not made (make release makes it)")
    assert len(found) == 1, f"several artefacts {pattern}: remove build/release-artefacts and make the release again"
    return found[0]


def tool(name, package):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return name


def output(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout


def release_key():
    """The public key with which this release must be signed."""
    import code_signature
    import manifest

    with zipfile.ZipFile(find("MLXR-*[!s].zip")) as archive, tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(archive.extract("MLXR.app/Contents/MacOS/MLXR", folder))
        team = code_signature.read(program).best.team  # rcodesign notes one for certificates of Apple's only
    return expected_key(team, manifest.load().identity, ROOT / "build" / "test-identities" / "release.key")


def expected_key(team, identity, throw_away):
    """That of the manifest for what its team has signed. For what test identities have signed (team is empty), the throw-away key in that file."""
    import signing_key

    if team:
        assert team == identity["team"], f"signed by the team {team}"
        return signing_key.public_from(identity["release_key"])
    warnings.warn("this release is signed with test identities and a throw-away key: it cannot be published", stacklevel=2)
    return signing_key.load(throw_away).public_key()
