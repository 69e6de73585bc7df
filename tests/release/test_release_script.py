"""scripts/release and scripts/clean-root hand secrets to release/release.py in files: no program has them in its environment or arguments."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SECRETS = {
    "MLXR_APPLICATION_P12": base64.b64encode(b"application identity").decode(),
    "MLXR_INSTALLER_P12": base64.b64encode(b"installer identity").decode(),
    "MLXR_P12_PASSWORD": "the password",
    "MLXR_NOTARY_KEY": '{"key_id": "notary"}',
    "MLXR_RELEASE_KEY": base64.b64encode(bytes(32)).decode(),
}

# Writes down its arguments, its environment, the contents of the files that it is given, and the modes of their folders.
SPY = f"""#!{sys.executable}
import json, os, pathlib, sys
files = {{path: [pathlib.Path(path).read_text(), pathlib.Path(path).parent.stat().st_mode & 0o777] for path in sys.argv[1:] if path.startswith("/tmp") and os.path.isfile(path)}}
if "OUT" in os.environ:  # scripts/package-linux
    pathlib.Path(os.environ["OUT"]).mkdir(parents=True, exist_ok=True)
    (pathlib.Path(os.environ["OUT"]) / "mlxrunner.deb").write_text("a package")
with open(os.environ["SPY_LOG"], "a") as log:
    log.write(json.dumps({{"argv": sys.argv, "environ": dict(os.environ), "files": files}}) + "\\n")
"""


@pytest.fixture
def checkout(tmp_path):
    """A repo with scripts/, in which every program that scripts/release starts is a spy."""
    repo = tmp_path / "repo"
    shutil.copytree(ROOT / "scripts", repo / "scripts")
    for program in ("scripts/setup", "scripts/package-linux", "scripts/build", ".deps/venv/bin/python"):
        path = repo / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPY)
        path.chmod(0o755)
    (repo / "build" / "release-packages").mkdir(parents=True)
    (repo / "build" / "release-packages" / "mlxrunner.deb").write_text("a package")
    return repo


def run(repo, *words):
    log = repo / "log"
    done = subprocess.run([repo / "scripts" / "release", *words], env={**os.environ, **SECRETS, "SPY_LOG": str(log), "SOURCE_DATE_EPOCH": "1"},
                          capture_output=True, text=True)  # fmt: skip
    calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return done, calls


@pytest.mark.parametrize("words", [("build",), ("sign",), ()])
def test_no_program_has_a_secret_in_its_environment_or_arguments(checkout, words):
    done, calls = run(checkout, *words)
    assert done.returncode == 0, done.stderr
    assert calls
    for call in calls:
        assert not SECRETS.keys() & call["environ"].keys()
        assert not [word for word in call["argv"] if any(secret in word for secret in SECRETS.values())]


def test_signing_gets_them_in_files_of_its_own_and_builds_nothing(checkout):
    done, (call,) = run(checkout, "sign", "--require-identities")
    assert done.returncode == 0, done.stderr
    assert call["argv"][1] == "release/release.py" and call["argv"][-1] == "--require-identities"
    assert {text for text, _ in call["files"].values()} == {"application identity", "installer identity", SECRETS["MLXR_NOTARY_KEY"], SECRETS["MLXR_RELEASE_KEY"]}
    assert {folder_mode for _, folder_mode in call["files"].values()} == {0o700}
    folder = pathlib.Path(next(iter(call["files"]))).parent
    assert not folder.exists()  # removed at the end
    assert (checkout / "build" / "release-artefacts" / "mlxrunner.deb").read_text() == "a package"


def test_signing_what_was_not_built_is_refused(checkout):
    shutil.rmtree(checkout / "build")
    done, calls = run(checkout, "sign")
    assert done.returncode == 1 and "scripts/release build" in done.stderr and not calls
