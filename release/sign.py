"""Signs code, bundles, disk images and packages: by rcodesign, on any system, or by Apple's own tools on a Mac.

An identity is a file (PKCS#12 as .p12, with its password in a file beside it: NAME.p12.password; or a certificate and key as .pem), "smartcard",
for rcodesign; or the name of one in the Mac's keychain, for codesign and productsign. All code has the hardened runtime. What is nested is
signed first: its own signature is then sealed by what contains it, and is not touched again.
"""

import dataclasses
import pathlib
import subprocess

NO_TIMESTAMP = "none"


def run(*words):
    """Errors: CalledProcessError, after the tool's own words on stderr."""
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
        """The main program, and the seal over all that is in the bundle. Nested code must be signed already."""
        nested = [word for folder in ("Frameworks", "Helpers", "Resources") for word in ("--exclude", f"Contents/{folder}/**")]
        self.sign_code(path, code, *nested)

    def sign_image(self, path, identifier):
        self._sign(self.application, "--binary-identifier", identifier, path)

    def sign_package(self, unsigned, path):
        self._sign(self.installer, unsigned, path)


@dataclasses.dataclass(frozen=True)
class Codesign:
    """Apple's tools, with identities of the keychain."""

    application: str
    installer: str
    timestamp_url: str

    def _timestamp(self):
        return "--timestamp=none" if self.timestamp_url == NO_TIMESTAMP else f"--timestamp={self.timestamp_url}"

    def sign_code(self, path, code):
        entitlements = ["--entitlements", code.entitlements] if code.entitlements else []
        run("codesign", "--force", "--sign", self.application, "--options", "runtime", self._timestamp(), "--identifier", code.identifier,
            *entitlements, path)  # fmt: skip

    sign_bundle = sign_code  # codesign signs what it is given, and seals what is nested as it is

    def sign_image(self, path, identifier):
        run("codesign", "--force", "--sign", self.application, self._timestamp(), "--identifier", identifier, path)

    def sign_package(self, unsigned, path):
        run("productsign", "--sign", self.installer, self._timestamp(), unsigned, path)


def test_identity(program, profile, path):
    """Makes a certificate that nobody trusts, of the right form, unless it is there: a release without an identity is signed by it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run(program, "generate-self-signed-certificate", "--profile", profile, "--team-id", "TESTTEAM01", "--person-name", "MLXR test",
            "--pem-unified-file", path)  # fmt: skip
        path.chmod(0o600)
    return str(path)
