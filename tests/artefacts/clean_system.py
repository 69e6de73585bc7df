"""A minimal Debian or Ubuntu for a test, in which packages are installed and an ordinary user, ada, runs commands."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
from packages import ROOT

HOME = "/home/ada"
RUNTIME = "/run/user/1000"
# Folders that any program makes which follows the XDG specification: they belong to none.
COMMON = {f"{HOME}/{name}" for name in (".cache", ".config", ".local", ".local/share", ".local/state")}


def archive(suite):
    """The root as scripts/lib/clean_roots.sh keeps it."""
    script = '. scripts/lib/common.sh; . scripts/lib/clean_roots.sh; clean_root_archive "$1" ca-certificates >&2; echo "$archive"'
    run = subprocess.run(["bash", "-euo", "pipefail", "-c", script, "bash", suite], cwd=ROOT, capture_output=True, text=True)
    if run.returncode != 0:
        pytest.fail(f"no minimal {suite} could be made: {run.stderr.strip()}")  # a mirror that is away must not look like success
    return run.stdout.strip()


class CleanSystem:
    def __init__(self, suite):
        if suite not in os.environ.get("MLXR_CLEAN_SYSTEMS", suite).split():
            pytest.skip(f"MLXR_CLEAN_SYSTEMS has only {os.environ['MLXR_CLEAN_SYSTEMS']}, not {suite}")
        if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
            pytest.skip("a system of its own needs root and mmdebstrap (scripts/setup package)")
        kept = archive(suite)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=f"mlxr-{suite}-"))
        self.root.chmod(0o755)
        subprocess.run(["tar", "-C", self.root, "--exclude=./dev/*", "-xf", kept], check=True)
        # Namespaces of its own: its mounts and processes end with the keeper.
        mounts = 'mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; touch "$1/ready"; exec sleep infinity'
        self.keeper = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-ec", mounts, "bash", self.root])
        while not (self.root / "ready").exists():
            assert self.keeper.poll() is None, "the namespaces could not be made"
            time.sleep(0.02)
        (self.root / "ready").unlink()
        self.first_process = pathlib.Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children").read_text().split()[0]
        self.reach_the_mirror()
        with open(self.root / "etc/passwd", "a") as users:
            users.write(f"ada:x:1000:1000::{HOME}:/bin/sh\n")
        for folder in (HOME, RUNTIME):
            self.as_root("install", "-d", "-m", "0700", "-o", "1000", "-g", "1000", folder)

    def close(self):
        self.keeper.kill()
        self.keeper.wait()
        shutil.rmtree(self.root)

    def reach_the_mirror(self):
        """The way this machine does: its names, certificates and proxies."""
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", self.root / "etc" / name)
        shutil.copytree("/usr/local/share/ca-certificates", self.root / "usr/local/share/ca-certificates", dirs_exist_ok=True)
        self.as_root("update-ca-certificates")
        settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout.splitlines()
        ways = [line for line in settings if line.startswith(("Acquire::http", "Acquire::https", "Acquire::Check-"))]
        (self.root / "etc/apt/apt.conf.d/mirror").write_text("\n".join(ways) + "\n")

    def path(self, inside):
        return self.root / str(inside).lstrip("/")

    def put(self, file, inside):
        """A copy of a file of this machine; the folder is ada's."""
        self.as_root("install", "-d", "-o", "1000", "-g", "1000", pathlib.PurePath(inside).parent)
        shutil.copy(file, self.path(inside))
        return inside

    def enter(self, words, options, environment, **run):
        command = ["nsenter", "--target", self.first_process, "--mount", "--pid", "chroot", *options, self.root, "env", "-i", *environment, *words]
        return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, **run)

    def as_root(self, *words):
        run = self.enter(words, (), ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"))
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def as_ada(self, *words, status=0):
        run = self.enter(words, ("--userspec=1000:1000",), ("PATH=/usr/bin:/bin", f"HOME={HOME}", f"XDG_RUNTIME_DIR={RUNTIME}"))
        assert run.returncode == status, run.stdout + run.stderr
        return run.stdout

    def apt_install(self, *names):
        if not hasattr(self, "updated"):
            self.updated = self.enter(("apt-get", "update", "-q"), (), ("PATH=/usr/sbin:/usr/bin:/sbin:/bin",))
        if self.updated.returncode != 0 or "\nW:" in self.updated.stderr or self.updated.stderr.startswith(("W:", "E:")):
            pytest.fail(f"the mirror cannot be reached: {self.updated.stderr.strip()}")
        self.as_root("apt-get", "install", "-q", "-y", "--no-install-recommends", "--allow-downgrades", *names)

    def install(self, package):
        """A package file, with what it depends on."""
        self.apt_install(self.put(package, f"/srv/{package.name}"))

    def files_of_ada(self):
        """All that lies in her folders, with what it is and when it was changed; not the folders that any program makes."""
        found = {}
        for top in (HOME, RUNTIME, "/tmp", "/var/tmp"):
            for file in self.path(top).rglob("*"):
                inside = "/" + str(file.relative_to(self.root))
                if inside not in COMMON:
                    status = file.lstat()
                    found[inside] = (status.st_mode, status.st_size, status.st_mtime_ns if not file.is_dir() else 0)
        return found
