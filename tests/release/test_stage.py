"""The trees of the manifest, laid out from a build of empty files: names are filled in, entitlements have the team, jobs and scripts agree."""

import datetime
import json
import pathlib
import plistlib
import subprocess
import xml.etree.ElementTree as ElementTree

import manifest
import pytest
from artefacts import ROOT

release = pytest.importorskip("release", reason="a library of scripts/setup release is missing")
import signing_key  # noqa: E402
import stage  # noqa: E402
from macos import made, pkg  # noqa: E402

MANIFEST = manifest.load()
TEAM = "TEAMID1234"
GROUP = f"{TEAM}.{MANIFEST.identity['app_id']}"


class Signer:
    """Keeps the entitlements that each program would get."""

    def __init__(self):
        self.entitlements = {}

    def sign_code(self, path, code):
        self.entitlements[code.name] = plistlib.loads(code.entitlements.read_bytes()) if code.entitlements else {}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    root = tmp_path_factory.mktemp("release")
    for folder, kind in (("build", "build"), ("mlx", "mlx")):
        for entry in (entry for tree in MANIFEST.trees.values() for entry in tree if entry.kind == kind):
            file = root / folder / (entry.source + "file" if entry.source.endswith("/") else entry.source)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
    (root / "build/lib/kernels/cpu/manifest.json").write_text(json.dumps({"library": "libmlxr_kernels_cpu.so"}))
    return root


@pytest.fixture(scope="module")
def one(work):
    """A release, as far as the trees need it."""

    class Release(release.Release):
        build_folder, mlx_folder, work = property(lambda self: work / "build"), property(lambda self: work / "mlx"), property(lambda self: work / "work")

    tools = release.Tools(pathlib.Path("rcodesign"), pathlib.Path("mlxr-pack"), strip="true")
    signing_key.new(work / "key")
    epoch = int(datetime.datetime(2026, 11, 27, tzinfo=datetime.timezone.utc).timestamp())
    return Release(root=ROOT, manifest=MANIFEST, number="1.2.3", team=TEAM, epoch=epoch, tools=tools, signer=Signer(), notary=None,
                   key=signing_key.load(work / "key"), metallib=None)  # fmt: skip


@pytest.fixture(scope="module")
def trees(one, work):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(made.MAKERS, "MLXR.icns", lambda release, tree, to: b"icns")  # these two need other programs and apt's index
        patch.setitem(made.MAKERS, "licenses/", lambda release, tree, to: to.mkdir(parents=True))
        for name in MANIFEST.trees:
            stage.tree(one, name, work / "trees" / name)
    return work / "trees"


def test_every_name_of_a_template_is_filled_in(trees):
    for tree, entries in MANIFEST.trees.items():
        for entry in entries:
            if entry.kind == "template":
                path = trees / tree / entry.to
                for file in path.rglob("*") if path.is_dir() else [path]:
                    assert "@" not in file.read_text(), file
                    assert file.stat().st_mode & 0o777 == entry.mode, file


def test_the_programs_share_the_teams_app_group(one, trees):
    entitlements = one.signer.entitlements
    for name in ("daemon", "cli"):
        assert entitlements[name]["com.apple.security.application-groups"] == [GROUP]
    assert entitlements["daemon"]["com.apple.security.app-sandbox"] and "com.apple.security.app-sandbox" not in entitlements["cli"]
    app = next(entry.code for entry in MANIFEST.trees["app"] if entry.code and entry.code.name == "app")
    filled = plistlib.loads(stage.entitled(one, app).entitlements.read_bytes())
    assert filled["com.apple.security.application-groups"] == [GROUP]
    assert filled["com.apple.security.app-sandbox"] and filled["com.apple.security.files.bookmarks.app-scope"]


def test_each_label_of_launchd_has_one_job(trees):
    labels = {}
    for path in trees.rglob("*.plist"):
        job = plistlib.loads(path.read_bytes())
        if "Label" not in job:
            continue
        labels[job["Label"]] = path
        assert path.name == job["Label"] + ".plist"
        assert job["KeepAlive"] == {"Crashed": True} and job["ThrottleInterval"] >= 30 and job["RunAtLoad"]
        assert job["ProgramArguments"][-1] == "--log-file" and job["ExitTimeOut"] > 10  # more than a running answer has to end
        assert not any("~" in str(value) for value in job.values()), "launchd does not expand it"
    assert labels.keys() == {MANIFEST.identity["daemon_id"], MANIFEST.identity["app_agent"]}


def test_the_apps_numbers(one, trees):
    info = plistlib.loads((trees / "app/Contents/Info.plist").read_bytes())
    assert info["CFBundleIdentifier"] == MANIFEST.identity["app_id"]
    assert info["CFBundleShortVersionString"] == MANIFEST.channel.version  # with the channel's suffix
    assert info["CFBundleVersion"] == str(one.epoch // 60)
    assert info["SUPublicEDKey"] == signing_key.public_text(one.key)


def test_the_packages_distribution_and_scripts(one, tmp_path):
    about = pkg.About("id", f"{one.number}.{one.build}", "14.0", one.names)
    root = ElementTree.fromstring(pkg.distribution(MANIFEST.components, dict.fromkeys(("app", "daemon"), 1), about, {}))
    assert {ref.get("version") for ref in root.findall("pkg-ref") if ref.text and ref.text.startswith("#")} == {f"1.2.3.{one.build}"}
    assert [app.get("id") for app in root.findall("pkg-ref/must-close/app")] == [MANIFEST.identity["app_id"]]
    for component in MANIFEST.components:
        folder = pkg.fill_scripts(component, one.names, tmp_path / component.name)
        assert {path.name for path in folder.iterdir()} >= {"daemons.sh", "postinstall"}
        for script in folder.iterdir():
            assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0
            assert (script.stat().st_mode & 0o111 != 0) == (script.name != "daemons.sh")
