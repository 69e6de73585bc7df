"""Signatures of the app and the daemon: every hash computed again, the CMS by OpenSSL, flags and entitlements of each program; a changed byte is caught."""

import plistlib
import shutil
import subprocess
import zipfile

import code_signature
import manifest
import pytest
import sealed_files
import sign
from artefacts import ROOT, find

MANIFEST = manifest.load()


def unpack(path, to):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(to)
    return to


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return unpack(find("MLXR-*[!s].zip"), tmp_path_factory.mktemp("app")) / "MLXR.app"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    return unpack(find("mlxrunnerd-*.zip"), tmp_path_factory.mktemp("daemon")) / "mlxrunner"


def test_the_app_is_as_it_was_signed(app):
    assert code_signature.bundle_problems(app) == []


def test_the_daemons_code_is_as_it_was_signed(daemon):
    code = [path for path in daemon.rglob("*") if path.is_file() and code_signature.is_macho(path)]
    assert {path.relative_to(daemon).as_posix() for path in code} == MANIFEST.code_of("daemon").keys()
    assert [problem for path in code for problem in code_signature.program_problems(path)] == []


@pytest.mark.parametrize("tree", ["app", "daemon"])
def test_each_program_has_its_identifier_runtime_and_entitlements(tree, request):
    folder = request.getfixturevalue(tree)
    for path, code in MANIFEST.code_of(tree).items():
        signature = code_signature.read(folder / path)
        for directory in signature.directories:
            assert directory.identifier == code.identifier, path
            assert directory.flags & code_signature.RUNTIME, path
        if code.name in ("daemon", "cli"):  # the Info.plist inside has the same name, and is sealed
            info = code_signature.embedded_info_plist(signature.data)
            assert plistlib.loads(info)["CFBundleIdentifier"] == code.identifier, path
            assert signature.best.special[code_signature.INFO_PLIST] == signature.best.hash(info), path
        # rcodesign notes a team of Apple's certificates only; a test identity's is known.
        names = {**MANIFEST.identity, "group": manifest.group(MANIFEST.identity, signature.best.team or sign.TEST_TEAM)}
        wanted = plistlib.loads(manifest.fill(code.entitlements.read_text(), names).encode()) if code.entitlements else {}
        assert signature.entitlements == wanted, path


def test_openssl_agrees_with_each_cms_signature(app, tmp_path):
    for path in MANIFEST.code_of("app"):
        signature = code_signature.read(app / path)
        cms, content = tmp_path / "cms", tmp_path / "content"
        cms.write_bytes(signature.cms)
        content.write_bytes(signature.directories[0].blob)
        words = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-in", cms, "-content", content, "-out", "/dev/null"]
        subprocess.run(words, check=True, capture_output=True)
        content.write_bytes(signature.directories[0].blob[:-1] + bytes([signature.directories[0].blob[-1] ^ 1]))
        assert subprocess.run(words, capture_output=True).returncode != 0


def test_rcodesign_agrees_about_every_program(app, tmp_path):
    program = ROOT / ".deps" / "cargo" / "bin" / "rcodesign"
    if not program.exists():
        pytest.skip("rcodesign is not built: scripts/setup release-tools")

    def verify(path):
        done = subprocess.run([program, "verify", path], capture_output=True, text=True)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line and not line.startswith("(")]  # what it says of itself
        return done.returncode, lines

    for path in MANIFEST.code_of("app"):
        assert verify(app / path) == (0, ["no problems detected!"]), path
        changed = tmp_path / "changed"
        data = bytearray((app / path).read_bytes())
        data[len(data) // 3] ^= 0x20
        changed.write_bytes(data)
        status, lines = verify(changed)
        assert status != 0 and any("digest mismatch" in line for line in lines), (path, lines)


def test_a_changed_byte_in_any_file_is_caught(app, tmp_path):
    copy = tmp_path / "MLXR.app"
    shutil.copytree(app, copy)
    missed = []
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        size = path.stat().st_size
        if size == 0:
            continue
        with path.open("r+b") as file:
            file.seek(size // 3)
            byte = file.read(1)
            file.seek(size // 3)
            file.write(bytes([byte[0] ^ 0x20]))
        if not code_signature.bundle_problems(copy):
            missed.append(path.relative_to(copy).as_posix())
        with path.open("r+b") as file:
            file.seek(size // 3)
            file.write(byte)
    assert missed == []
    assert code_signature.bundle_problems(copy) == []


def test_a_stapled_ticket_is_no_change(app, tmp_path):
    copy = tmp_path / "MLXR.app"
    shutil.copytree(app, copy)
    ticket = copy / "Contents" / "CodeResources"  # where rcodesign puts it
    ticket.write_bytes(code_signature.TICKET + bytes(64))
    assert code_signature.bundle_problems(copy) == []
    ticket.write_bytes(b"something else")
    assert code_signature.bundle_problems(copy) == ["CodeResources: not a ticket of Apple's notary service"]


def test_a_file_more_or_less_is_caught(app, tmp_path):
    copy = tmp_path / "MLXR.app"
    shutil.copytree(app, copy)
    (copy / "Contents/Resources/more").write_text("more")
    assert code_signature.bundle_problems(copy) == ["Resources/more: not sealed"]
    (copy / "Contents/Resources/more").unlink()
    (copy / "Contents/Resources/defaults/server.yaml").unlink()
    assert code_signature.bundle_problems(copy) == ["Resources/defaults/server.yaml: sealed, and not there"]


@pytest.mark.parametrize("pattern, problems", [("MLXR-*.dmg", sealed_files.dmg_problems), ("MLXR-*.pkg", sealed_files.pkg_problems)], ids=["dmg", "pkg"])
def test_the_image_and_the_package_are_as_they_were_signed(pattern, problems, tmp_path):
    path = find(pattern)
    assert problems(path) == []
    changed = tmp_path / path.name
    size = path.stat().st_size
    for place in (size // 7, size // 2, size - size // 9):
        data = bytearray(path.read_bytes())
        data[place] ^= 0x20
        changed.write_bytes(data)
        assert problems(changed), f"a changed byte at {place} is not seen"
