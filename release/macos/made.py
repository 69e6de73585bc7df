"""The generated files of a macOS release: property lists, the icon, the kernel packs' manifests. Names as in manifest.toml."""

import json
import plistlib
import subprocess

from PIL import Image

import components
import licences
import signing_key
from digest import sha256
from manifest import ROOT

ICON_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def plist(value):
    return plistlib.dumps(value, sort_keys=True)


def info_plist(release):
    product = release.manifest.product
    return plist(
        {
            "CFBundleDevelopmentRegion": "en",
            "CFBundleExecutable": product["name"],
            "CFBundleIconFile": "MLXR",
            "CFBundleIdentifier": release.manifest.identity["app_id"],
            "CFBundleInfoDictionaryVersion": "6.0",
            "CFBundleName": product["name"],
            "CFBundlePackageType": "APPL",
            "CFBundleShortVersionString": release.version,
            "CFBundleSupportedPlatforms": ["MacOSX"],
            "CFBundleVersion": str(release.build),
            "LSApplicationCategoryType": product["category"],
            "LSArchitecturePriority": ["arm64"],
            "LSMinimumSystemVersion": product["minimum_macos"],
            "LSRequiresNativeExecution": True,
            "MLXRChannel": release.manifest.channel.name,
            "MLXRFeatures": list(release.manifest.channel.features),
            "NSHighResolutionCapable": True,
            "NSHumanReadableCopyright": product["copyright"],
            "SUPublicEDKey": signing_key.public_text(release.key),
        }
    )


def agent(release, label, program, **more):
    """A launchd job that is started at login. It is started again after a crash, at most twice a minute, but neither after an orderly exit nor
    after a failure, which would only repeat itself. One plist serves all users, and launchd does not expand "~": the daemon opens its
    log itself (--log-file)."""
    return plist(
        {
            "AssociatedBundleIdentifiers": [release.manifest.identity["app_id"]],  # System Settings names the app then, not the developer
            "ExitTimeOut": 30,  # seconds from SIGTERM to SIGKILL; running answers have 10 to end
            "KeepAlive": {"Crashed": True},
            "Label": label,
            "ProcessType": "Interactive",
            "ProgramArguments": [program, "--log-file"],
            "RunAtLoad": True,
            "ThrottleInterval": 30,
            "Umask": 0o077,
            **more,
        }
    )


def app_agent(release):
    """For SMAppService: the program's path is below the bundle."""
    return agent(release, release.manifest.identity["app_agent"], "mlxrunnerd", BundleProgram="Contents/Helpers/mlxrunnerd")


def pkg_agent(release):
    """For /Library/LaunchAgents, by the package's postinstall."""
    return agent(release, release.manifest.identity["daemon_id"], "/Library/MLXRunner/bin/mlxrunnerd")


def icon(release, to):
    """The app's mark, with the margin that macOS gives its icons: 100 of 1024 on each side."""
    pictures = []
    for size in ICON_SIZES:
        png = release.work / f"icon-{size}.png"
        inner, margin = str(size * 824 / 1024), str(size * 100 / 1024)
        subprocess.run(["rsvg-convert", "-w", inner, "-h", inner, "--page-width", str(size), "--page-height", str(size), "--left", margin, "--top", margin,
                        "-o", png, ROOT / "app/ui/mark.svg"], check=True)  # fmt: skip
        pictures.append(Image.open(png))
    pictures[-1].save(to, format="ICNS", append_images=pictures[:-1])


def kernels_cpu_manifest(release, tree):
    """The build's own, with the SHA-256 of the library as it is signed."""
    fields = json.loads((release.build_folder / "lib/kernels/cpu/manifest.json").read_text())
    (library,) = tree.rglob(fields["library"])
    fields["sha256"] = sha256(library)
    return (json.dumps(fields, indent=2) + "\n").encode()


def licence_texts(_release, to):
    licences.collect(components.resolve("macos-arm64"), to)


# What "made:NAME" in manifest.toml stands for: given the release, the tree so far (its code is signed), and where it goes. A file is returned as
# its bytes, or written.
MAKERS = {
    "Info.plist": lambda release, tree, to: info_plist(release),
    "app-agent.plist": lambda release, tree, to: app_agent(release),
    "pkg-agent.plist": lambda release, tree, to: pkg_agent(release),
    "MLXR.icns": lambda release, tree, to: icon(release, to),
    "kernels-cpu-manifest.json": lambda release, tree, to: kernels_cpu_manifest(release, tree),
    "public_ed25519": lambda release, tree, to: f"{signing_key.public_text(release.key)}\n".encode(),
    "licenses/": lambda release, tree, to: licence_texts(release, to),
}


def make(name, release, tree, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    data = MAKERS[name](release, tree, to)
    if data is not None:
        to.write_bytes(data)
