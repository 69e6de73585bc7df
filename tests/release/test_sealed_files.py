"""The reader of signatures of disk images and packages, on small ones that rcodesign signed: intact, unsigned, and with any byte changed."""

import pathlib

import pytest
from artefacts import ROOT

sealed_files = pytest.importorskip("sealed_files", reason="not installed: run scripts/setup release")
import sign  # noqa: E402

dmg = pytest.importorskip("macos.dmg", reason="not installed: run scripts/setup release")

RCODESIGN, PACK = (ROOT / ".deps/cargo/bin" / name for name in ("rcodesign", "mlxr-pack"))
pytestmark = pytest.mark.skipif(not (RCODESIGN.exists() and PACK.exists()), reason="not built: run scripts/setup release-tools")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{kind: (unsigned file, signed file, its reader)}"""
    folder = tmp_path_factory.mktemp("sealed")
    application = sign.test_identity(RCODESIGN, "developer-id-application", folder / "application.pem")
    installer = sign.test_identity(RCODESIGN, "developer-id-installer", folder / "installer.pem")
    signer = sign.Rcodesign(RCODESIGN, application, installer, sign.NO_TIMESTAMP)
    (folder / "partition").write_bytes(bytes(range(256)) * 4096)
    (folder / "flat" / "a.pkg").mkdir(parents=True)
    (folder / "flat" / "Distribution").write_text("<installer-gui-script/>")
    (folder / "flat" / "a.pkg" / "Payload").write_bytes(bytes(range(256)) * 64)
    sign.run(PACK, "dmg", folder / "partition", folder / "unsigned.dmg")
    dmg.correct_trailer(folder / "unsigned.dmg")
    sign.run(PACK, "xar", folder / "flat", folder / "unsigned.pkg")
    (folder / "signed.dmg").write_bytes((folder / "unsigned.dmg").read_bytes())
    signer.sign_image(folder / "signed.dmg", "com.example.image")
    signer.sign_package(folder / "unsigned.pkg", folder / "signed.pkg")
    return {"dmg": (folder / "unsigned.dmg", folder / "signed.dmg", sealed_files.dmg_problems),
            "pkg": (folder / "unsigned.pkg", folder / "signed.pkg", sealed_files.pkg_problems)}  # fmt: skip


@pytest.mark.parametrize("kind", ["dmg", "pkg"])
def test_a_signed_one_is_whole_and_an_unsigned_one_is_said_to_be(made, kind):
    unsigned, signed, problems = made[kind]
    assert problems(signed) == []
    assert any("not signed" in problem for problem in problems(unsigned))


@pytest.mark.parametrize("kind", ["dmg", "pkg"])
def test_a_changed_byte_is_seen_wherever_it_is(made, kind, tmp_path):
    _, signed, problems = made[kind]
    whole = signed.read_bytes()
    changed = pathlib.Path(tmp_path / signed.name)
    content = whole.rindex(bytes(range(200, 256))) if kind == "pkg" else 100  # of the payload; of the first block
    for place in (content, content + 20):
        data = bytearray(whole)
        data[place] ^= 0x20
        changed.write_bytes(data)
        assert problems(changed), place
