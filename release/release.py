#!/usr/bin/env python3
"""Makes a release from a finished build: every artefact for macOS, signed, in build/release-artefacts. `make release` builds and then calls this.

Without identities, test identities and a throw-away release key are created and used, which no Mac trusts; real identities need the real
key. Without a key for Apple's notary service, artefacts are named -unnotarized. Each line says what was made or skipped.
"""

import argparse
import dataclasses
import datetime
import pathlib
import shutil
import subprocess
import sys

import archive
import brew
import build_number
import checksums
import components
import linkage
import manifest
import metal_pack
import notarize
import provenance
import sbom
import sign
import signing_key
import stage
from macos import dmg, pkg


@dataclasses.dataclass(frozen=True)
class Tools:
    rcodesign: pathlib.Path
    pack: pathlib.Path
    strip: str = "llvm-strip-19"
    dsymutil: str = "dsymutil-19"


@dataclasses.dataclass(frozen=True)
class Release:
    root: pathlib.Path
    manifest: manifest.Manifest
    number: str  # of the version, without the channel's suffix
    team: str  # of the identity that signs
    epoch: int  # of the commit, in seconds since 1970: the time of every file
    tools: Tools
    signer: object
    notary: notarize.Notary
    key: object  # Ed25519: signs checksums and provenance
    metallib: pathlib.Path | None  # a compiled Metal kernel pack, in place of that of the build, which has sources

    @property
    def version(self):
        return self.manifest.channel.version

    @property
    def build(self):
        return build_number.of(self.epoch)

    @property
    def names(self):
        """The values of the templates' @name@."""
        return {**self.manifest.identity, "team": self.team, "group": manifest.group(self.manifest.identity, self.team)}

    @property
    def build_folder(self):
        return self.root / "build" / "macos-arm64"

    @property
    def mlx_folder(self):
        return self.root / ".deps" / "macos-arm64" / "mlx"

    @property
    def work(self):
        return self.root / "build" / "release-work"

    @property
    def artefacts(self):
        return self.root / "build" / "release-artefacts"

    @property
    def date(self):
        return datetime.datetime.fromtimestamp(self.epoch, datetime.timezone.utc)


def symbols(release, to):
    """Creates the folder `to` with the debug symbols of each program that was built here, because staged programs are stripped."""
    shutil.rmtree(to, ignore_errors=True)
    for entry in release.manifest.trees["app"]:
        if entry.kind == "build" and entry.code:
            program = release.build_folder / entry.source
            run = subprocess.run([release.tools.dsymutil, "--reproducer=Off", "--oso-prepend-path", release.build_folder, "-o", to / f"{program.name}.dSYM",
                                  program], stderr=subprocess.PIPE, text=True)  # fmt: skip
            if run.returncode or "warning:" in run.stderr:
                raise ValueError(f"the symbols of {program.name} are not complete: {run.stderr.strip()}")
    return to


def macos(release):
    """Yields a line for each thing done."""
    code = {entry.code.name: entry.code for entry in release.manifest.trees["app"] if entry.code}
    product = release.manifest.product
    trees = release.work / "trees"
    app, daemon = trees / "MLXR.app", trees / "mlxrunner"
    stage.tree(release, "app", app)
    release.signer.sign_bundle(app, stage.entitled(release, code["app"]))
    stage.tree(release, "daemon", daemon)
    yield f"signed: {app.name}, the daemon and the command line"

    linkage.print_differences("macos-arm64", release.build_folder, [], app)  # ends the release where there is one

    made = release.artefacts
    compiled = app / "Contents/Resources/kernels/kernels.metallib"
    if compiled.exists():
        shutil.copyfile(compiled, made / f"kernels-{release.version}.metallib")
        yield "made: the compiled Metal kernels"
    else:
        yield "skipped: kernels.metallib, for want of Apple's compiler; the app has the kernels' sources"
    time = release.date.timetuple()[:6]
    archive.zip_tree(symbols(release, trees / "symbols"), made / f"MLXR-{release.version}-macos-arm64-symbols.zip", "symbols", time)
    app_zip = made / f"MLXR-{release.version}{release.notary.suffix}.zip"
    daemon_zip = made / f"mlxrunnerd-{release.version}-macos-arm64{release.notary.suffix}.zip"
    archive.zip_tree(app, app_zip, app.name, time)
    yield release.notary.notarize(app_zip, staple=app)
    if release.notary.key:
        archive.zip_tree(app, app_zip, app.name, time)  # with the ticket
    archive.zip_tree(daemon, daemon_zip, daemon.name, time)
    yield release.notary.notarize(daemon_zip)
    yield f"made: {app_zip.name}, {daemon_zip.name}"

    image = made / f"MLXR-{release.version}{release.notary.suffix}.dmg"
    dmg.lay_out(app, release.work / "dmg", release.root / "release/macos/dmg_background.svg", release.root / "LICENSE", release.date)
    dmg.write(release.work / "dmg", image, release.tools.pack, release.work, release.epoch)
    release.signer.sign_image(image, release.manifest.identity["app_id"] + ".dmg")
    yield release.notary.notarize(image, staple=image)
    yield f"made: {image.name}"

    package, unsigned = made / f"MLXR-{release.version}{release.notary.suffix}.pkg", release.work / "unsigned.pkg"
    payloads = []
    for component in release.manifest.components:
        payload = release.work / "pkg" / component.name
        shutil.rmtree(payload, ignore_errors=True)
        shutil.copytree(trees / ("MLXR.app" if component.tree == "app" else "mlxrunner"), payload / component.folder)
        payloads.append((component, payload))
    pages = {"license": release.root / "LICENSE"}
    # The installer compares numbers alone: without the build's, a beta would be the version that follows it.
    about = pkg.About(release.manifest.pkg_identifier, f"{release.number}.{release.build}", product["minimum_macos"], release.names)
    pkg.write(payloads, unsigned, about, pages, release.tools.pack, release.work)
    release.signer.sign_package(unsigned, package)
    yield release.notary.notarize(package, staple=package)
    yield f"made: {package.name}"

    for component in release.manifest.components:
        if component.scripts:
            pkg.fill_scripts(component, release.names, release.work / "pkg" / "scripts" / component.name)
    for tree, artefact in ((app, app_zip), (release.work / "dmg", image), (daemon, daemon_zip), (release.work / "pkg", package)):
        papers(release, "macos-arm64", release.build_folder, tree, artefact)
    yield "made: SBOMs of these"


def linux(release):
    """SBOMs of the packages that scripts/package-linux left among the artefacts."""
    for artefact in sorted([*release.artefacts.glob("*.deb"), *release.artefacts.glob("*.tar.zst")]):
        arm64 = "arm64" in artefact.name or "aarch64" in artefact.name
        tree = release.work / "linux" / artefact.name
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        unpack = ["dpkg-deb", "-x", artefact, tree] if artefact.suffix == ".deb" else ["tar", "--zstd", "-xf", artefact, "-C", tree]
        subprocess.run(unpack, check=True)
        platform, build = ("linux-arm64", "arm64-linux-release") if arm64 else ("linux-x86_64", "release")
        if artefact.suffix == ".zst":  # all that the packages hold
            linkage.print_differences(platform, release.root / "build" / build, [], tree)
        papers(release, platform, release.root / "build" / build, tree, artefact)
        yield f"made: the SBOM of {artefact.name}"


def papers(release, platform, build, tree, artefact):
    sbom.write(sbom.take(platform, build, tree, artefact.name, release.version), release.date, release.artefacts)


def seal(release):
    """Checksums and provenance of all artefacts."""
    repository = release.manifest.identity["repository"]
    brew.write(brew.render(brew.values(release.artefacts, release.version, release.manifest.identity)), release.work / "homebrew")
    patterns = {"macos-arm64": "*.dmg", "linux-x86_64": "*amd64.deb", "linux-arm64": "*arm64.deb"}
    platforms = [name for name in components.PLATFORMS if any(release.artefacts.glob(patterns[name]))]
    provenance.write(release.artefacts, release.key, repository, platforms)
    checksums.write(release.artefacts, release.key)
    yield f"signed: SHA256SUMS; the public key is {signing_key.public_text(release.key)}"
    yield "made: Homebrew's formula and cask, in build/release-work/homebrew"


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--application", metavar="IDENTITY", help="Developer ID Application: FILE.p12, FILE.pem or smartcard")  # fmt: skip
    parser.add_argument("--installer", metavar="IDENTITY", help="Developer ID Installer, likewise")  # fmt: skip
    parser.add_argument("--timestamp-url", default=None, help="a time-stamp server, or none (default: Apple's, and none for test identities)")
    parser.add_argument("--release-key", metavar="FILE", help="base64 of an Ed25519 seed: signs checksums and provenance")  # fmt: skip
    parser.add_argument("--notary-key", metavar="FILE", help="an App Store Connect API key")
    parser.add_argument("--metallib", type=pathlib.Path, metavar="FOLDER", help="the Metal kernel pack that scripts/build_metal.sh made of this version on a Mac")
    parser.add_argument("--require-identities", action="store_true", help="end with an error where one of the above is missing, instead of using test identities")
    return parser.parse_args()


# The two values of [identity] that the owner sets once, and how.
ONCE = {
    "team": "set it to the ten characters of your Apple developer team",
    "release_key": "run release/signing_key.py new FILE on a machine without a network, commit the public half that it prints, and keep FILE offline",
}


def check_identities(chosen, identity):
    """The given identities must match each other and the manifest. Errors: ValueError."""
    needed = ("application", "installer", "notary_key", "release_key")
    if chosen.require_identities and (missing := [f"--{name.replace('_', '-')}" for name in needed if not getattr(chosen, name)]):
        raise ValueError(f"--require-identities was given, and {', '.join(missing)} is missing: what would be made could not be published")
    # A Mac would trust an app with a throw-away key in it, and could never verify an update of it.
    if len({bool(given) for given in (chosen.application, chosen.installer, chosen.release_key)}) > 1:
        raise ValueError("--application, --installer and --release-key go together; give all three, or none for test identities and a throw-away key")
    if not chosen.application:
        return
    if empty := [name for name in ONCE if not identity[name]]:
        steps = "".join(f"\n  {name}: {ONCE[name]}" for name in empty)
        raise ValueError(f"{' and '.join(empty)} in release/manifest.toml must be set before the first release (docs/release.md, Once):{steps}")
    for given in (chosen.application, chosen.installer):
        sign.check_team(given, identity["team"])


def release_key(path, identity):
    """The key that signs checksums and provenance. Errors: ValueError, if the manifest has another public key."""
    key = signing_key.load(path)
    public = signing_key.public_text(key)
    if public != identity["release_key"]:
        raise ValueError(f"{path} is not the release key: its public half is {public}, and release_key in release/manifest.toml is "
                         f"'{identity['release_key']}'. Installed copies trust that one only.")  # fmt: skip
    return key


def main():
    chosen = options()
    root, loaded = manifest.ROOT, manifest.load()
    check_identities(chosen, loaded.identity)
    tools = Tools(root / ".deps/cargo/bin/rcodesign", root / ".deps/cargo/bin/mlxr-pack")
    identities = chosen.application, chosen.installer
    timestamp = chosen.timestamp_url or ("http://timestamp.apple.com/ts01" if chosen.application else sign.NO_TIMESTAMP)
    if not chosen.application:
        keys = root / "build" / "test-identities"
        identities = (sign.test_identity(tools.rcodesign, "developer-id-application", keys / "application.pem"),
                      sign.test_identity(tools.rcodesign, "developer-id-installer", keys / "installer.pem"))  # fmt: skip
    signer = sign.Rcodesign(tools.rcodesign, *identities, timestamp)
    if chosen.release_key:
        key = release_key(pathlib.Path(chosen.release_key), loaded.identity)
    else:
        path = root / "build" / "test-identities" / "release.key"
        key = signing_key.load(path) if path.exists() else signing_key.new(path)
    epoch = int(build_number.git("log", "-1", "--format=%ct"))
    if chosen.application:
        build_number.check(loaded.channel.version, epoch)
    release = Release(root, loaded, (root / "VERSION").read_text().strip(), loaded.identity["team"] if chosen.application else sign.TEST_TEAM, epoch, tools,
                      signer, notarize.Notary(tools.rcodesign, chosen.notary_key), key, chosen.metallib)  # fmt: skip
    if release.metallib:
        metal_pack.check(release.metallib, release.build_folder / "lib/kernels/metal")
    release.artefacts.mkdir(parents=True, exist_ok=True)
    release.work.mkdir(parents=True, exist_ok=True)
    if not chosen.application:
        print("skipped: signing with a real identity; test identities were used")
    if not chosen.release_key:
        print("skipped: signing checksums with a real key; a test key was used")
    for step in (macos(release), linux(release), seal(release)):
        for line in step:
            print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (manifest.ManifestError, stage.StageError, components.ComponentError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"release: {error}")
