"""An invalid release/manifest.toml is refused with the name of the problem, and so are invalid options of release.py."""

import subprocess
import sys

import manifest
import pytest
from artefacts import ROOT

GOOD = (ROOT / "release" / "manifest.toml").read_text()
SOME = '"Contents/MacOS/MLXR" = { from = "build:bin/MLXR", code = "app" }'


def test_every_path_of_the_repo_that_it_names_is_there():
    entries = [entry for tree in manifest.load().trees.values() for entry in tree if entry.kind == "repo"]
    assert entries and [entry.source for entry in entries if not (ROOT / entry.source).exists()] == []
    assert all(component.scripts is None or component.scripts.is_dir() for component in manifest.load().components)


def test_a_bundles_own_program_is_signed_last():
    assert list(manifest.load().code_of("app"))[-1] == "Contents/MacOS/MLXR"


@pytest.mark.parametrize(
    "line, words",
    [
        ('"../MLXR" = { from = "build:bin/MLXR" }', "'../MLXR' is not a path inside a tree"),
        ('"/MLXR" = { from = "build:bin/MLXR" }', "'/MLXR' is not a path inside a tree"),
        ('"a b" = { from = "build:bin/MLXR" }', "'a b' is not a path inside a tree"),
        ('"MLXR" = { from = "web:bin/MLXR" }', "comes from 'web:'"),
        ('"MLXR" = { from = "app/ui/" }', "must both be folders or both files"),
        ('"MLXR" = { from = "build:bin/MLXR", code = "root" }', "signed as 'root', which [code] does not have"),
        ('"MLXR" = { from = "build:bin/MLXR", owner = "root" }', "'MLXR' has ['owner']"),
        ('"MLXR" = { code = "app" }', "'MLXR' has no from"),
    ],
)
def test_what_could_not_become_a_release_is_refused(tmp_path, line, words):
    assert SOME in GOOD
    file = tmp_path / "manifest.toml"
    file.write_text(GOOD.replace(SOME, line))
    with pytest.raises(manifest.ManifestError) as error:
        manifest.load(file)
    assert words in str(error.value)


def test_one_identity_without_the_other_is_refused():
    pytest.importorskip("PIL", reason="Pillow is not installed: scripts/setup release")
    done = subprocess.run([sys.executable, ROOT / "release" / "release.py", "--application", "a.p12"], capture_output=True, text=True)
    assert done.returncode != 0 and "--application, --installer and --release-key go together" in done.stderr and "Traceback" not in done.stderr


def test_a_channel_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("MLXR_CHANNEL", "weekly")
    with pytest.raises(manifest.ManifestError, match="MLXR_CHANNEL is 'weekly', which is none of stable, beta, nightly"):
        manifest.load()
