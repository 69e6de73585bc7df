"""Homebrew's formula and cask: valid Ruby that matches the artefacts."""
import hashlib
import json
import shutil
import subprocess

import brew
import manifest
import pytest
from artefacts import ROOT

needs_ruby = pytest.mark.skipif(not shutil.which("ruby"), reason="ruby is not installed: run scripts/setup release")

HOMEBREW = ROOT / "tests" / "release" / "homebrew.rb"
NAMES = {**manifest.load().identity, "repository": "https://example.org/mlxr"}


@pytest.fixture
def artefacts(tmp_path):
    for name in ("mlxrunnerd-1.2.3-macos-arm64-unnotarized.zip", "MLXR-1.2.3-unnotarized.dmg", "MLXR-1.2.3-unnotarized.zip"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def tap(artefacts, tmp_path):
    brew.write(brew.render(brew.values(artefacts, "1.2.3", NAMES)), tmp_path / "tap")
    return tmp_path / "tap"


def told(path):
    return json.loads(subprocess.run(["ruby", HOMEBREW, path], capture_output=True, text=True, check=True).stdout)


@needs_ruby
@pytest.mark.parametrize("name, artefact", [("Formula/mlxrunner.rb", "mlxrunnerd-1.2.3-macos-arm64-unnotarized.zip"),
                                            ("Casks/mlxr.rb", "MLXR-1.2.3-unnotarized.dmg")])
def test_version_address_and_hash(tap, name, artefact):
    said = told(tap / name)
    assert said["version"] == ["1.2.3"]
    assert said["url"] == [f"https://example.org/mlxr/releases/download/v1.2.3/{artefact}"]
    assert said["sha256"] == [hashlib.sha256(artefact.encode()).hexdigest()]
    assert {"arch": "arm64"} in said["depends_on"]


@needs_ruby
def test_the_formula_leaves_signed_libraries_as_they_are_and_apart_from_others(tap, tmp_path):
    unpacked, keg = tmp_path / "mlxrunner", tmp_path / "keg"
    for entry in manifest.load().trees["daemon"]:
        path = unpacked / (entry.to + "file" if entry.to.endswith("/") else entry.to)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(entry.to)
    subprocess.run(["ruby", HOMEBREW, tap / "Formula/mlxrunner.rb", unpacked, keg], capture_output=True, text=True, check=True)
    assert (keg / "libexec/bin/mlxrunnerd").exists() and (keg / "libexec/lib/libmlx.dylib").exists()
    assert (keg / "bin/mlx").resolve() == keg / "libexec/bin/mlx"
    assert {path.name for path in keg.iterdir()} == {"bin", "etc", "libexec", "share"}  # no lib: homebrew-core's mlx has one
    assert (keg / "share/man/man1/mlx.1").exists() and (keg / "share/zsh/site-functions/_mlx").exists()
    assert not list(keg.rglob("uninstall.sh")), "it is the installer package's"
    said = told(tap / "Formula/mlxrunner.rb")
    assert said["preserve_rpath"] == [] and {"cask": "mlxr"} in said["conflicts_with"] and "mlx" in said["conflicts_with"]


@needs_ruby
def test_the_service_is_not_started_again_after_it_was_stopped(tap):
    service = told(tap / "Formula/mlxrunner.rb")["service"]
    assert service["keep_alive"] == {"crashed": True} and service["throttle_interval"] == 30
    assert service["run"] == "opt_libexec/bin/mlxrunnerd"


@needs_ruby
def test_the_cask_removes_what_there_is(tap):
    said, names = told(tap / "Casks/mlxr.rb"), manifest.load().identity
    assert said["uninstall"] == [{"launchctl": names["app_agent"], "quit": names["app_id"]}]
    (zap,) = said["zap"]
    assert {f"~/Library/Group Containers/*.{names['app_id']}", f"~/Library/Containers/{names['app_id']}", f"~/Library/Containers/{names['daemon_id']}",
            "~/Library/Application Support/MLXRunner", "~/Library/Logs/MLXRunner"} <= set(zap["trash"])  # fmt: skip
    assert "auto_updates" not in said, "nothing in the app updates it"
    assert {"formula": ["mlxrunner", "mlx"]} in said["conflicts_with"]
    in_app = {entry.to for entry in manifest.load().trees["app"]}
    for word in ("binary", "manpage", "bash_completion", "fish_completion", "zsh_completion"):
        assert {path.removeprefix("/Applications/MLXR.app/") for path in said[word]} <= in_app, word


@needs_ruby
@pytest.mark.parametrize("name", ["Formula/mlxrunner.rb", "Casks/mlxr.rb"])
def test_the_newest_version_is_found_by_brew_livecheck(tap, name):
    assert told(tap / name)["livecheck"] == {"url": "url", "strategy": "github_latest"}


@needs_ruby
@pytest.mark.parametrize("name", ["Formula/mlxrunner.rb", "Casks/mlxr.rb"])
def test_ruby_has_nothing_against_it(tap, name):
    checked = subprocess.run(["ruby", "-wc", tap / name], capture_output=True, text=True)
    assert (checked.stdout.strip(), checked.stderr) == ("Syntax OK", "")


@pytest.mark.skipif(not shutil.which("rubocop"), reason="rubocop is not installed: run scripts/setup release")
def test_rubocop_has_nothing_against_it(tap):
    checked = subprocess.run(["rubocop", "--only", "Lint", "--format", "simple", "."], cwd=tap, capture_output=True, text=True)
    assert checked.returncode == 0 and "2 files inspected" in checked.stdout, checked.stdout + checked.stderr


@pytest.mark.parametrize("name, present", [("MLXR-1.2.3-unnotarized.dmg", 0), ("MLXR-1.2.3.dmg", 2)])
def test_there_must_be_exactly_one_image(artefacts, name, present):
    (artefacts / name).unlink() if present == 0 else (artefacts / name).write_text("")
    with pytest.raises(ValueError, match=rf"^{present} files match MLXR-1\.2\.3\*\.dmg"):
        brew.values(artefacts, "1.2.3", NAMES)
