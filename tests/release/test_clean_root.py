"""scripts/clean-root, with fakes of chroot and mostly of unshare: which commands run in the root, and with which environment."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root")
SECRET = "c2VjcmV0"

# unshare runs its words here, with mounts that do nothing; chroot writes down what it is asked for.
STUBS = {
    "unshare": '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nprintf "%s\\n" "$*" >>"$LOG.words"\nexec "$@"\n',
    "mount": "#!/bin/sh\n",
    "chroot": f"#!{sys.executable}\nimport json, os, sys\nopen('{{log}}', 'a').write(json.dumps([sys.argv[1:], dict(os.environ)]) + '\\n')\n",
}


# In the place of chroot, with the real mounts: enters the root, and makes a mount namespace there as unshare(1) does.
NESTED = f"""#!{sys.executable}
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chroot(sys.argv[1])
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
    sys.exit(os.strerror(ctypes.get_errno()))
"""


@pytest.fixture
def start(tmp_path):
    """start(command, stubs, **environment) runs scripts/clean-root on a made-up root, with these programs in the place of real ones."""
    tools, repo, folder = tmp_path / "bin", tmp_path / "repo", tmp_path / "root"
    tools.mkdir()
    shutil.copytree(ROOT / "scripts", repo / "scripts")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", repo, *words], check=True)
    for name in ("etc", "root", "proc", "sys", "dev"):
        (folder / name).mkdir(parents=True)
    (folder / "etc" / "os-release").touch()

    def run(command, stubs, **environment):
        for name, text in stubs.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **environment}
        return subprocess.run([repo / "scripts" / "clean-root", "debian12", command, folder], env=environment, capture_output=True, text=True)

    return run


@pytest.fixture
def clean_root(start, tmp_path):
    """clean_root(command, **environment) returns [(the command line in the root, its environment)], and the words of unshare."""
    log = tmp_path / "log"

    def run(command, **environment):
        done = start(command, {name: text.replace("{log}", str(log)) for name, text in STUBS.items()}, LOG=str(log), **environment)
        assert done.returncode == 0, done.stderr
        calls = [json.loads(line) for line in log.read_text().splitlines()]
        return [(words[-1], found) for words, found in calls], pathlib.Path(f"{log}.words").read_text()

    return run


def test_the_readmes_two_commands_in_its_order(clean_root):
    calls, _ = clean_root("test")
    assert [line.partition("&& ")[2].split('="')[0] for line, _ in calls] == ["make run PROMPT", "make test"]
    assert {found["HOME"] for _, found in calls} == {"/root"}


@pytest.mark.parametrize("command, sees", [("test", False), ("release-build", False), ("verify-release", False), ("release-sign", True)])
def test_only_signing_sees_a_secret_and_no_list_of_processes_does(clean_root, command, sees):
    calls, words = clean_root(command, MLXR_RELEASE_KEY=SECRET, MLXR_P12_PASSWORD=SECRET, SOMETHING_ELSE="x")
    for line, found in calls:
        assert SECRET not in line and "SOMETHING_ELSE" not in found
        assert (found.get("MLXR_RELEASE_KEY") == SECRET) == sees and (found.get("MLXR_P12_PASSWORD") == SECRET) == sees
    assert SECRET not in words


def test_a_shallow_clone_will_do(clean_root, tmp_path):
    repo = tmp_path / "repo"
    subprocess.run(["git", "-C", repo, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "two"], check=True)
    head = subprocess.run(["git", "-C", repo, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{repo}", shallow], check=True)
    shutil.rmtree(repo)
    shallow.rename(repo)
    clean_root("run")
    cloned = subprocess.run(["git", "-C", tmp_path / "root/root/mlxr", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert cloned == head


def test_a_program_in_the_root_can_make_a_mount_namespace(start):
    """As mmdebstrap and the tests of minimal systems do: a root that is no mount point forbids it."""
    done = start("verify-release", {"chroot": NESTED})
    assert done.returncode == 0, done.stderr
