"""Signing does not fail open: a release has the key and the team of release/manifest.toml, a build number above all earlier ones, or it ends
with a sentence. And what names us stands in that one file."""

import argparse
import datetime
import os
import subprocess

import artefacts
import manifest
import pytest
from artefacts import ROOT

build_number = pytest.importorskip("build_number")
pytest.importorskip("PIL", reason="Pillow is not installed: scripts/setup release")
release = pytest.importorskip("release", reason="a library of scripts/setup release is missing")
import sign  # noqa: E402
import signing_key  # noqa: E402

TEAM = "TEAMID1234"


@pytest.fixture
def key(tmp_path):
    signing_key.new(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed one of the team, as Apple's Developer ID has it: the team is the organizational unit."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Developer ID Application: A"), x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, TEAM)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(1)
            .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(private, hashes.SHA256()))  # fmt: skip
    folder = tmp_path_factory.mktemp("identities")
    (folder / "a.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "a.p12").write_bytes(pkcs12.serialize_key_and_certificates(b"a", private, made, None, BestAvailableEncryption(b"secret")))
    (folder / "a.p12.password").write_text("secret")
    return folder


def test_the_release_key_is_the_one_that_the_manifest_names(key):
    public = signing_key.public_text(signing_key.load(key))
    assert signing_key.public_text(release.release_key(key, {"release_key": public})) == public
    with pytest.raises(ValueError, match="is not the release key: its public half is"):
        release.release_key(key, {"release_key": ""})
    with pytest.raises(ValueError, match="is not the release key"):
        release.release_key(key, {"release_key": "A" * 43 + "="})


def test_a_new_key_is_for_its_owner_alone_and_never_overwritten(key):
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    with pytest.raises(FileExistsError):
        signing_key.new(key)
    assert key.read_bytes() == before


def chosen(**given):
    nothing = {"application": None, "installer": None, "notary_key": None, "release_key": None, "require_identities": False}
    return argparse.Namespace(**{**nothing, **given})


ALL = {"application": "smartcard", "installer": "smartcard", "notary_key": "n", "release_key": "r", "require_identities": True}
OWNER = {"team": TEAM, "release_key": "A" * 43 + "="}


def test_with_require_identities_nothing_may_be_missing():
    release.check_identities(chosen(**ALL), OWNER)
    for name in ("notary_key", "release_key"):
        with pytest.raises(ValueError, match=f"--require-identities was given, and --{name.replace('_', '-')} is missing"):
            release.check_identities(chosen(**{**ALL, name: None}), OWNER)
    with pytest.raises(ValueError, match="--application, --installer, --notary-key, --release-key is missing"):
        release.check_identities(chosen(require_identities=True), OWNER)


@pytest.mark.parametrize("missing", ["application", "installer", "release_key"])
def test_real_certificates_never_go_with_a_throw_away_key(missing):
    real = {"application": "smartcard", "installer": "smartcard", "release_key": "r"}
    release.check_identities(chosen(**real), OWNER)
    with pytest.raises(ValueError, match="--application, --installer and --release-key go together"):
        release.check_identities(chosen(**{**real, missing: None}), OWNER)
    release.check_identities(chosen(), {"team": "", "release_key": ""})  # test identities


def test_what_a_team_has_signed_is_read_back_with_the_manifests_key(key, recwarn):
    other, throw_away = signing_key.new(key.with_name("other")), signing_key.load(key)
    identity = {"team": TEAM, "release_key": signing_key.public_text(other)}
    assert artefacts.expected_key(TEAM, identity, key) == other.public_key()
    assert not recwarn
    with pytest.raises(AssertionError, match="OTHERTEAM1"):
        artefacts.expected_key("OTHERTEAM1", identity, key)
    with pytest.warns(UserWarning, match="test identities and a throw-away key"):
        assert artefacts.expected_key("", identity, key) == throw_away.public_key()


@pytest.mark.parametrize("empty, words", [("team", r"\n  team: set it to the ten characters of your Apple developer team$"),
                                          ("release_key", r"\n  release_key: run release/signing_key.py new FILE on a machine without a network, "
                                                          "commit the public half that it prints, and keep FILE offline$")])  # fmt: skip
def test_the_refusal_says_what_the_owner_does_once(empty, words):
    with pytest.raises(ValueError, match=rf"^{empty} in release/manifest.toml must be set before the first release \(docs/release.md, Once\):{words}"):
        release.check_identities(chosen(**ALL), {**OWNER, empty: ""})


def test_the_playbook_has_the_steps_that_the_refusals_name():
    once = (ROOT / "docs" / "release.md").read_text().partition("\n## Once\n")[2].partition("\n## ")[0]
    places = [once.index(words) for words in ("release/signing_key.py new FILE", "`release_key`", "offline", "`team`")]
    assert places == sorted(places) and "scripts/check-signature FOLDER" in once
    assert "docs/release.md, Once" in (ROOT / "scripts" / "check-signature").read_text()


def test_release_ends_where_secrets_are_missing():
    done = subprocess.run([ROOT / ".deps/venv/bin/python", ROOT / "release" / "release.py", "--require-identities"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("release: --require-identities was given, and --application"), done.stderr


@pytest.mark.parametrize("name", ["a.pem", "a.p12"])
def test_a_certificate_must_be_the_teams(certificate, name):
    identity = str(certificate / name)
    assert sign.team_of(identity) == TEAM
    sign.check_team(identity, TEAM)
    with pytest.raises(ValueError, match=f"is a certificate of team '{TEAM}', and team in release/manifest.toml is 'OTHERTEAM1'"):
        sign.check_team(identity, "OTHERTEAM1")
    with pytest.raises(ValueError, match="team in release/manifest.toml is empty"):
        sign.check_team(identity, "")
    sign.check_team("smartcard", TEAM)


# The build number


class Repository:
    def __init__(self, folder):
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words, time=0):
        environment = {**os.environ, "GIT_COMMITTER_DATE": f"@{time} +0000", "GIT_AUTHOR_DATE": f"@{time} +0000", "GIT_CONFIG_GLOBAL": "/dev/null"}
        words = ["git", "-C", self.folder, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "tag.gpgSign=false", *words]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def release(self, version, minute, annotated=True):
        self.git("commit", "--allow-empty", "--quiet", "-m", version, time=minute * 60)
        self.git("tag", *(["-a", "-m", version] if annotated else []), f"v{version}", time=minute * 60)
        return minute * 60


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_a_build_number_grows_across_branches(repository):
    repository.release("1.0.0", 100)
    repository.git("branch", "maintenance")
    repository.release("1.1.0-beta", 200, annotated=False)
    repository.git("switch", "--quiet", "maintenance")
    fix = repository.release("1.0.1", 300)  # has fewer commits than 1.1.0-beta
    assert build_number.of(fix) == 300
    build_number.check("1.0.1", fix, repository.folder)


@pytest.mark.parametrize("minute", [150, 200], ids=["below", "the same"])
def test_a_build_number_that_does_not_grow_is_refused(repository, minute):
    repository.release("1.0.0", 100)
    repository.git("branch", "maintenance")
    repository.release("1.1.0-beta", 200)
    repository.git("switch", "--quiet", "maintenance")
    fix = repository.release("1.0.1", minute)
    with pytest.raises(ValueError, match=f"the build number {minute} is not above that of v1.1.0-beta, 200"):
        build_number.check("1.0.1", fix, repository.folder)


def test_a_shallow_clone_does_not_know_the_earlier_ones(repository, tmp_path):
    repository.release("1.0.0", 100)
    repository.release("1.0.1", 200)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{repository.folder}", clone], check=True, capture_output=True)
    with pytest.raises(ValueError, match="git fetch --unshallow --tags"):
        build_number.check("1.0.2", 300 * 60, clone)


# One place for names


def test_no_other_file_names_us():
    """Templates have @app_id@ and so on. Documentation shows the names as they are."""
    listed = subprocess.run(["git", "-C", ROOT, "grep", "-lE", r"com\.company|company/mlxrunner|company\.invalid"], capture_output=True, text=True).stdout.split()
    assert [name for name in listed if not name.endswith(".md")] == ["release/manifest.toml", "tests/release/test_identity.py"]


@pytest.mark.parametrize("name, value, words", [("team", "short", "which is not the ten characters of an Apple developer team"),
                                                ("release_key", "abc", "which is not 32 bytes in base64"),
                                                ("app_id", "com.a.company.with.a.long.name.mlxr", "the socket in its app group has")])  # fmt: skip
def test_names_that_cannot_be_are_refused(tmp_path, name, value, words):
    text = (ROOT / "release" / "manifest.toml").read_text()
    old = f'{name} = "{manifest.load().identity[name]}"'
    assert old in text
    (tmp_path / "manifest.toml").write_text(text.replace(old, f'{name} = "{value}"'))
    with pytest.raises(manifest.ManifestError, match=words):
        manifest.load(tmp_path / "manifest.toml")


def test_a_name_that_there_is_not_is_refused_in_a_template():
    assert manifest.fill("of @app_id@, a@b.c", {"app_id": "x"}) == "of x, a@b.c"
    with pytest.raises(manifest.ManifestError, match="@nobody@ is no name of"):
        manifest.fill("@nobody@", {"app_id": "x"})
