"""Examples for managed Macs: macOS accepts the profile, the daemon accepts each of its settings, and the package's choices exist."""

import plistlib
import subprocess

import manifest
import pytest
from artefacts import ROOT
from programs import BUILD

FLEET = ROOT / "release" / "macos" / "fleet"
MANIFEST = manifest.load()
PROFILE = plistlib.loads(manifest.fill((FLEET / "mlxrunner.mobileconfig").read_text(), {**MANIFEST.identity, "team": "TEAMID1234"}).encode())
DAEMON = next(entry.code.identifier for entry in MANIFEST.trees["daemon"] if entry.code and entry.code.name == "daemon")


def payload(kind):
    (one,) = [one for one in PROFILE["PayloadContent"] if one["PayloadType"] == kind]
    return one


def settings():
    return {name: value for name, value in payload(DAEMON).items() if not name.startswith("Payload")}


def test_the_profile_has_what_every_profile_has():
    parts = [PROFILE, *PROFILE["PayloadContent"]]
    for part in parts:
        assert part.keys() >= {"PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName"}
        assert part["PayloadVersion"] == 1 and part["PayloadIdentifier"].startswith(PROFILE["PayloadIdentifier"])
    assert PROFILE["PayloadType"] == "Configuration" and PROFILE["PayloadScope"] == "System"
    for name in ("PayloadUUID", "PayloadIdentifier"):
        assert len({part[name] for part in parts}) == len(parts)


def show(file):
    return subprocess.run([BUILD / "bin" / "mlxrunnerd", "--config", file, "--show-config"], capture_output=True, text=True)


def test_each_setting_is_one_that_the_daemon_takes(tmp_path):
    assert settings()
    file = tmp_path / "server.yaml"
    file.write_text("".join(f"{name}: '{value}'\n" for name, value in settings().items()))
    run = show(file)
    assert run.returncode == 0, run.stderr
    for name, value in settings().items():
        assert f"{name}: {value}  # {file}\n" in run.stdout
        assert type(value) in (int, str), name  # what the daemon reads of a profile
    file.write_text("no_such_setting: 1\n")
    assert show(file).returncode == 1


def test_the_documented_keys_are_the_daemons(tmp_path):
    (tmp_path / "empty.yaml").touch()
    names = {line.removeprefix("# ").partition(":")[0] for line in show(tmp_path / "empty.yaml").stdout.splitlines()}
    table = (ROOT / "docs" / "fleet.md").read_text().partition("## Keys")[2].partition("## Linux")[0]
    documented = {name for row in table.splitlines() if row.startswith("| `") for name in row.split("|")[1].replace("`", "").replace(" ", "").split(",")}
    assert documented == names


def test_the_login_rule_is_for_the_jobs_of_package_and_app():
    (rule,) = payload("com.apple.servicemanagement")["Rules"]
    assert rule["RuleType"] == "LabelPrefix" and rule["TeamIdentifier"] == "TEAMID1234"
    assert all(MANIFEST.identity[job].startswith(rule["RuleValue"]) for job in ("daemon_id", "app_agent"))


def test_the_choices_are_the_packages():
    choices = plistlib.loads((FLEET / "choices.xml").read_bytes())
    assert {choice["choiceIdentifier"] for choice in choices} == {component.name for component in MANIFEST.components}
    assert {choice["choiceAttribute"] for choice in choices} == {"selected"}


@pytest.mark.parametrize("name", ["mlxrunner.mobileconfig", "choices.xml"])
def test_they_are_shipped(name):
    folders = [entry for entry in MANIFEST.trees["daemon"] if entry.to == "share/doc/mlxrunner/fleet/"]
    assert [entry.source for entry in folders] == ["release/macos/fleet/"] and (FLEET / name).exists()
