"""The provenance: in-toto's own schema, a signature that openssl also verifies, and every change is detected."""
import base64
import json
import re
import shutil

import pytest

pytest.importorskip("in_toto_attestation", reason="not installed: run scripts/setup release")
pytest.importorskip("securesystemslib", reason="not installed: run scripts/setup release")

import components  # noqa: E402
import provenance  # noqa: E402
import toolchain  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from openssl import needs_openssl, verifies  # noqa: E402

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
REPOSITORY = "https://example.org/mlxr"
WHEEL = components.Fetched("mlx.whl", "ab" * 32)
PARTS = [components.Component("mlx", "1", "pkg:pypi/mlx@1", "MIT", (), (WHEEL,))]
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "company/mlxr", "GITHUB_RUN_ID": "7",
          "GITHUB_RUN_ATTEMPT": "2", "GITHUB_WORKFLOW_REF": "company/mlxr/.github/workflows/release.yml@refs/tags/v1.0"}


def statement(folder, environ=None, changed=False):
    return provenance.statement(provenance.subjects(folder), "1.0", REPOSITORY, ("c" * 40, changed), PARTS, ["pkg:pypi/ziglang@1"], environ or {})


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "artefacts"
    made.mkdir()
    (made / "MLXR-1.0.dmg").write_bytes(b"an image")
    (made / "MLXR-1.0.zip").write_bytes(b"an archive")
    (made / "MLXR-1.0.intoto.jsonl").write_text(provenance.seal(statement(made), KEY))
    return made


def test_all_is_well(folder):
    content = provenance.verify(folder, PUBLIC)
    assert [subject["name"] for subject in content["subject"]] == ["MLXR-1.0.dmg", "MLXR-1.0.zip"]
    source, wheel, compiler = content["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source == {"uri": f"git+{REPOSITORY}@{'c' * 40}", "digest": {"gitCommit": "c" * 40}}
    assert wheel == {"name": "mlx.whl", "uri": "pkg:pypi/mlx@1", "digest": {"sha256": "ab" * 32}}
    assert compiler == {"uri": "pkg:pypi/ziglang@1", "annotations": {"tool": True}}
    assert content["predicate"]["buildDefinition"]["buildType"] == f"{REPOSITORY}/blob/{'c' * 40}/docs/release.md"


def test_the_channel_is_a_choice_of_who_builds(folder):
    outer = [statement(folder, environ)["predicate"]["buildDefinition"]["externalParameters"]["channel"] for environ in ({}, {"MLXR_CHANNEL": "beta"})]
    assert outer == ["stable", "beta"]


def test_the_tools_that_compile_are_named():
    purls = toolchain.used()
    assert any(purl.startswith("pkg:pypi/ziglang@") for purl in purls)
    assert "pkg:cargo/apple-codesign@0.29.0" in purls
    if shutil.which("dpkg-query"):
        assert any(re.match(r"pkg:deb/\w+/g%2B%2B-\d+@", purl) for purl in purls)


def test_uncommitted_changes_are_said(folder):
    source = statement(folder, changed=True)["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    assert source["annotations"] == {"uncommittedChanges": True}


def test_on_github_the_builder_is_the_workflow(folder):
    details = statement(folder, GITHUB)["predicate"]["runDetails"]
    assert details["builder"]["id"] == "https://github.com/company/mlxr/.github/workflows/release.yml@refs/tags/v1.0"
    assert details["metadata"]["invocationId"] == "https://github.com/company/mlxr/actions/runs/7/attempts/2"


@needs_openssl
def test_openssl_verifies_the_envelope(folder):
    """By DSSE's definition of what is signed, written down here again."""
    envelope = json.loads((folder / "MLXR-1.0.intoto.jsonl").read_text())
    payload, signature = base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    assert verifies(signed, signature, PUBLIC)
    assert not verifies(signed.replace(b"MLXR", b"MLXS", 1), signature, PUBLIC)


def test_a_changed_artefact_is_caught(folder):
    (folder / "MLXR-1.0.dmg").write_bytes(b"an imagf")
    with pytest.raises(ValueError, match="^MLXR-1.0.dmg: not what the provenance speaks of"):
        provenance.verify(folder, PUBLIC)


def test_an_artefact_too_many_or_too_few_is_caught(folder):
    shutil.copy(folder / "MLXR-1.0.dmg", folder / "MLXR-1.0.pkg")
    with pytest.raises(ValueError, match="^MLXR-1.0.pkg: not what"):
        provenance.verify(folder, PUBLIC)
    (folder / "MLXR-1.0.pkg").unlink()
    (folder / "MLXR-1.0.zip").unlink()
    with pytest.raises(ValueError, match="^MLXR-1.0.zip: not what"):
        provenance.verify(folder, PUBLIC)


def test_a_changed_byte_anywhere_in_the_envelope_is_caught(folder):
    path = folder / "MLXR-1.0.intoto.jsonl"
    line = path.read_bytes().rstrip(b"\n")
    for position in range(0, len(line), 7):
        changed = bytearray(line)
        changed[position] ^= 1
        with pytest.raises(ValueError, match="provenance"):
            provenance.unseal(changed.decode(errors="replace"), PUBLIC)


def test_another_key_is_caught(folder):
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    with pytest.raises(ValueError, match="not signed with this key"):
        provenance.verify(folder, other)


@pytest.mark.parametrize("change, complaint", [
    (lambda content: content.update(subject=[]), "At least one subject"),
    (lambda content: content["subject"][0].pop("digest"), "At least one digest"),
    (lambda content: content.update(_type="https://in-toto.io/Statement/v0.1"), "Wrong statement type"),
    (lambda content: content.update(predicateType="https://slsa.dev/provenance/v0.2"), "what built"),
    (lambda content: content["predicate"].update(extra=1), "no field named"),
    (lambda content: content["predicate"]["runDetails"]["builder"].pop("id"), "what built"),
])
def test_a_signed_statement_of_another_form_is_refused(folder, change, complaint):
    content = statement(folder)
    change(content)
    with pytest.raises(ValueError, match=complaint):
        provenance.unseal(provenance.seal(content, KEY), PUBLIC)
