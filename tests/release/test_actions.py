"""The workflows of GitHub Actions: linted, pinned, and calling only what exists."""
import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = ROOT / ".deps" / "bin" / "actionlint"
ZIZMOR = ROOT / ".deps" / "venv" / "bin" / "zizmor"


def steps(workflow):
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [(job, name, step) for name, job in jobs.items() for step in job["steps"]]


def test_there_are_workflows():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "nightly.yml", "release.yml"]


@pytest.mark.skipif(not ACTIONLINT.exists(), reason="actionlint is not installed: run scripts/setup actions")
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint(workflow, tmp_path):
    def lint(path):
        return subprocess.run([ACTIONLINT, path], capture_output=True, text=True)
    assert lint(workflow).returncode == 0, lint(workflow).stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(workflow.read_text().replace("runs-on:", "runs-at:", 1))
    assert lint(broken).returncode != 0


@pytest.mark.skipif(not ZIZMOR.exists(), reason="zizmor is not installed: run scripts/setup actions")
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_zizmor(workflow, tmp_path):
    def audit(path):
        return subprocess.run([ZIZMOR, "--offline", "--quiet", "--persona=pedantic", path], capture_output=True, text=True)
    assert audit(workflow).returncode == 0, audit(workflow).stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(re.sub(r"@[0-9a-f]{40} # (v\S+)", r"@\1", workflow.read_text()))
    assert audit(broken).returncode != 0


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_hash(workflow):
    used = [step["uses"] for _, _, step in steps(workflow) if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", use) for use in used)


MORE_THAN_READING = {"release.yml": {"draft": {"contents": "write"}, "attest": {"contents": "read", "id-token": "write", "attestations": "write"}}}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_they_may_only_read_but_for_the_jobs_that_publish(workflow):
    whole = yaml.safe_load(workflow.read_text())
    assert whole["permissions"] == {"contents": "read"}
    assert {name: job["permissions"] for name, job in whole["jobs"].items() if "permissions" in job} == MORE_THAN_READING.get(workflow.name, {})


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_secrets_are_in_the_environment_of_steps_alone(workflow):
    whole = yaml.safe_load(workflow.read_text())
    in_steps = [value for _, _, step in steps(workflow) for value in step.get("env", {}).values() if "secrets." in str(value)]
    assert len(in_steps) == workflow.read_text().count("secrets.")
    assert all("environment" in job for job in whole["jobs"].values() if "secrets." in str(job))


def test_the_job_with_secrets_builds_nothing_and_does_not_publish():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    (with_secrets,) = [name for name, job in jobs.items() if "secrets." in str(job)]
    commands = " ".join(step.get("run", "") for step in jobs[with_secrets]["steps"] if "secrets." in str(step))
    assert "release-sign" in commands and not re.search(r"release-build|make |setup|apt-get|pip|cargo", commands)
    assert "permissions" not in jobs[with_secrets]
    assert with_secrets in jobs["attest"]["needs"] and "attest" in jobs["draft"]["needs"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_scripts_that_they_run_exist(workflow):
    named = {name for _, _, step in steps(workflow) for name in re.findall(r"(?<!\S)scripts/[\w-]+", step.get("run", ""))}
    assert named <= {f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir() if path.is_file()}


@pytest.mark.parametrize("workflow", [path for path in WORKFLOWS if path.name != "nightly.yml"], ids=lambda path: path.name)
def test_a_step_that_runs_tests_fails_for_an_unexpected_skip(workflow):
    running = [step for _, _, step in steps(workflow) if re.search(r"make test|-m pytest|clean-root \S+ (test|verify-release)", step.get("run", ""))]
    assert len(running) >= 2
    for step in running:
        named = step.get("env", {}).get("MLXR_ALLOWED_SKIPS")
        assert named and (ROOT / named).exists(), step["run"]
        assert "sudo" not in step["run"] or re.search(r"--preserve-env=\S*MLXR_ALLOWED_SKIPS", step["run"]), step["run"]


def test_dependabot_watches_every_kind_of_manifest():
    watched = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    found = {(update["package-ecosystem"], update["directory"]) for update in watched}
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    kinds = {"Cargo.toml": "cargo", "package.json": "npm", "go.mod": "gomod", "requirements/test.in": "pip"}
    wanted = {(kind, f"/{pathlib.PurePath(name).parent}") for name in listed for ending, kind in kinds.items() if name.endswith(f"/{ending}")}
    assert found == wanted | {("github-actions", "/")}
