"""Signs code, bundles, disk images and packages with rcodesign.

An identity is a file (PKCS#12 as .p12, with its password in a file beside it: NAME.p12.password; or a certificate and key as .pem) or
"smartcard". All code has the hardened runtime. Nested code is signed first, because the code that contains it seals its signature.
"""

import dataclasses
import pathlib
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NO_TIMESTAMP = "none"
TEST_TEAM = "TESTTEAM01"  # of test identities


def run(*words):
    """Errors: CalledProcessError, after the tool's own output on stderr."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout, end="")
        done.check_returncode()


@dataclasses.dataclass(frozen=True)
class Rcodesign:
    program: pathlib.Path
    application: str  # identity for code, images
    installer: str  # identity for packages
    timestamp_url: str

    def _identity(self, identity):
        if identity == "smartcard":
            return ["--smartcard-slot", "9c"]
        if identity.endswith((".p12", ".pfx")):
            return ["--p12-file", identity, "--p12-password-file", identity + ".password"]
        return ["--pem-file", identity]

    def _sign(self, identity, *words):
        run(self.program, "sign", *self._identity(identity), "--timestamp-url", self.timestamp_url, *words)

    def sign_code(self, path, code, *more):
        entitlements = ["--entitlements-xml-file", code.entitlements] if code.entitlements else []
        self._sign(self.application, "--code-signature-flags", "runtime", "--binary-identifier", code.identifier, *entitlements, *more, path)

    def sign_bundle(self, path, code):
        """Signs the main program, and seals everything in the bundle. Nested code must be signed already."""
        nested = [word for folder in ("Frameworks", "Helpers", "Resources") for word in ("--exclude", f"Contents/{folder}/**")]
        self.sign_code(path, code, *nested)

    def sign_image(self, path, identifier):
        self._sign(self.application, "--binary-identifier", identifier, path)

    def sign_package(self, unsigned, path):
        self._sign(self.installer, unsigned, path)


def test_identity(program, profile, path):
    """Creates an untrusted certificate of the right form, if it does not exist: a release without an identity is signed with it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run(program, "generate-self-signed-certificate", "--profile", profile, "--team-id", TEST_TEAM, "--person-name", "MLXR test",
            "--pem-unified-file", path)  # fmt: skip
        path.chmod(0o600)
    return str(path)


def team_of(identity):
    """The team in an identity's certificate; None for one on a smartcard, whose certificate is not at hand.
    Errors: ValueError for a file that holds no certificate."""
    if identity.endswith((".p12", ".pfx")):
        password = pathlib.Path(identity + ".password").read_text().encode()
        certificate = pkcs12.load_key_and_certificates(pathlib.Path(identity).read_bytes(), password or None)[1]
    elif identity.endswith(".pem"):
        certificate = x509.load_pem_x509_certificate(pathlib.Path(identity).read_bytes())
    else:
        return None
    if certificate is None:
        raise ValueError(f"{identity} holds no certificate")
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return units[0].value if units else ""


def check_team(identity, team):
    """Errors: ValueError, if the manifest names no team, or the certificate belongs to another team."""
    if not team:
        raise ValueError("team in release/manifest.toml is empty; what is signed with a real identity shares files in the team's app group")
    found = team_of(identity)
    if found is not None and found != team:
        raise ValueError(f"{identity} is a certificate of team '{found}', and team in release/manifest.toml is '{team}'")
