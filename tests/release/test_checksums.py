"""SHA256SUMS and its signature: verified by sha256sum and openssl, and every change is detected."""
import base64
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("cryptography", reason="not installed: run scripts/setup release")

import checksums  # noqa: E402
import signing_key  # noqa: E402
from artefacts import ROOT  # noqa: E402
from openssl import needs_openssl, verifies  # noqa: E402


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    path.write_text(base64.b64encode(bytes(range(32))).decode() + "\n")
    return signing_key.load(path)


@pytest.fixture
def folder(tmp_path, key):
    made = tmp_path / "artefacts"
    made.mkdir()
    (made / "MLXR-1.0.dmg").write_bytes(b"an image")
    (made / "mlxrunner_1.0~rc1_amd64.deb").write_bytes(b"a package")
    checksums.write(made, key)
    return made


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_public_key_is_that_of_the_seed(key):
    assert signing_key.public_text(key) == "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    assert signing_key.public_from(signing_key.public_text(key)) == key.public_key()


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(bytes(31)).decode(), base64.b64encode(bytes(64)).decode()])
def test_another_key_file_is_refused(tmp_path, text):
    (tmp_path / "bad").write_text(text)
    with pytest.raises(ValueError, match="not the base64 of a 32-byte seed"):
        signing_key.load(tmp_path / "bad")


def test_all_is_well(folder, key):
    checksums.verify(folder, key.public_key())


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="this system has no sha256sum")
def test_sha256sum_reads_it(folder):
    assert subprocess.run(["sha256sum", "--check", "--strict", checksums.SUMS], cwd=folder).returncode == 0
    flip(folder / "MLXR-1.0.dmg")
    assert subprocess.run(["sha256sum", "--check", "--strict", checksums.SUMS], cwd=folder).returncode != 0


@needs_openssl
def test_openssl_verifies_the_signature(folder, key):
    signature = (folder / checksums.SIGNATURE).read_bytes()
    assert verifies((folder / checksums.SUMS).read_bytes(), signature, key.public_key())
    flip(folder / checksums.SUMS)
    assert not verifies((folder / checksums.SUMS).read_bytes(), signature, key.public_key())


@pytest.mark.parametrize("name, complaint", [("MLXR-1.0.dmg", "^MLXR-1.0.dmg: not what SHA256SUMS says"), (checksums.SUMS, "not this key's signature"),
                                             (checksums.SIGNATURE, "not this key's signature")])
def test_a_changed_byte_is_caught(folder, key, name, complaint):
    flip(folder / name)
    with pytest.raises(ValueError, match=complaint):
        checksums.verify(folder, key.public_key())


def test_another_key_is_caught(folder):
    other = signing_key.public_from(base64.b64encode(b"\x58" + b"\x66" * 31).decode())  # the curve's base point
    with pytest.raises(ValueError, match="not this key's signature"):
        checksums.verify(folder, other)


def test_a_file_too_few_or_too_many_is_caught(folder, key):
    (folder / "MLXR-1.0.zip").write_bytes(b"new")
    with pytest.raises(ValueError, match="^MLXR-1.0.zip: in SHA256SUMS or in"):
        checksums.verify(folder, key.public_key())
    (folder / "MLXR-1.0.zip").unlink()
    (folder / "MLXR-1.0.dmg").unlink()
    with pytest.raises(ValueError, match="^MLXR-1.0.dmg: in SHA256SUMS or in"):
        checksums.verify(folder, key.public_key())


def test_what_sha256sum_could_not_name_is_refused(folder, key):
    (folder / "a\nb").write_bytes(b"")
    with pytest.raises(ValueError, match="the name of an artefact may have"):
        checksums.write(folder, key)


def test_a_folder_or_a_link_is_refused(folder, key):
    (folder / "inside").mkdir()
    with pytest.raises(ValueError, match="not a plain file"):
        checksums.write(folder, key)
    (folder / "inside").rmdir()
    (folder / "inside").symlink_to("MLXR-1.0.dmg")
    with pytest.raises(ValueError, match="not a plain file"):
        checksums.write(folder, key)


@pytest.fixture
def check_signature(tmp_path, key):
    """scripts/check-signature of a repository that has this release key."""
    repo = tmp_path / "repo"
    (repo / "scripts" / "lib").mkdir(parents=True)
    for name in ("check-signature", "lib/common.sh"):
        shutil.copy(ROOT / "scripts" / name, repo / "scripts" / name)
    (repo / "release").mkdir()
    (repo / "release" / "manifest.toml").write_text(f'[identity]\nrelease_key = "{signing_key.public_text(key)}"\n')
    return lambda folder: subprocess.run([repo / "scripts" / "check-signature", folder], capture_output=True, text=True)


@needs_openssl
@pytest.mark.skipif(not shutil.which("sha256sum"), reason="this system has no sha256sum")
def test_a_user_checks_a_download_without_our_python(folder, key, check_signature):
    done = check_signature(folder)
    assert done.returncode == 0 and "2 files are what SHA256SUMS says" in done.stdout, done.stderr
    (folder / "more").write_bytes(b"more")
    assert check_signature(folder).returncode != 0
    (folder / "more").unlink()
    flip(folder / "MLXR-1.0.dmg")
    assert check_signature(folder).returncode != 0
    checksums.write(folder, signing_key.load(another_seed(folder.parent)))
    done = check_signature(folder)
    assert done.returncode != 0 and "not signed with the release key" in done.stderr


def another_seed(folder):
    path = folder / "another"
    path.write_text(base64.b64encode(bytes(range(1, 33))).decode())
    return path


@needs_openssl
@pytest.mark.skipif(not shutil.which("shasum"), reason="this system has no shasum")
def test_a_mac_has_shasum_in_the_place_of_sha256sum(folder, key, check_signature, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    for name in "bash env openssl base64 cat cut diff dirname find grep mktemp rm sed shasum sort tail".split():
        (programs / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(programs))
    done = check_signature(folder)
    assert done.returncode == 0, done.stderr
    flip(folder / "MLXR-1.0.dmg")
    assert check_signature(folder).returncode != 0


def test_before_the_release_key_is_made_the_way_to_it_is_named(folder, check_signature, tmp_path):
    manifest = tmp_path / "repo" / "release" / "manifest.toml"
    manifest.write_text('[identity]\nrelease_key = ""\n')
    done = check_signature(folder)
    assert done.returncode == 1 and "release_key in release/manifest.toml is empty" in done.stderr and "docs/release.md, Once" in done.stderr
