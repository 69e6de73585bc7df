"""The package's scripts in a folder that represents a Mac's disk, with fakes of launchctl, ps and sudo: install, upgrade, downgrade,
interruption, rollback, uninstall; on the running system and on another volume."""

import os
import pathlib
import plistlib
import shutil
import signal
import subprocess

import manifest
import pytest
from artefacts import ROOT
from macos import pkg

IDENTITY = manifest.load().identity
LABEL, APP_LABEL = IDENTITY["daemon_id"], IDENTITY["app_agent"]
DAEMON, APP_DAEMON = "/Library/MLXRunner/bin/mlxrunnerd", "/Applications/MLXR.app/Contents/Helpers/mlxrunnerd"
COMPONENTS = {component.name: component for component in manifest.load().components}
LINKS = {
    "usr/local/bin/mlx": "bin/mlx",
    "usr/local/share/man/man1/mlx.1": "share/man/man1/mlx.1",
    "usr/local/share/man/man8/mlxrunnerd.8": "share/man/man8/mlxrunnerd.8",
    "usr/local/share/zsh/site-functions/_mlx": "share/zsh/site-functions/_mlx",
    "usr/local/share/fish/vendor_completions.d/mlx.fish": "share/fish/vendor_completions.d/mlx.fish",
    "usr/local/etc/bash_completion.d/mlx": "share/bash-completion/completions/mlx",
}

# launchd as launchctl shows it: jobs/gui-USER-LABEL is there while the job is; after bootout it goes with the third look at it, and meanwhile a
# bootstrap is refused, as by launchd.
LAUNCHCTL = """#!/bin/bash
echo launchctl "$@" >>calls
name=${2//\\//-}
case $1 in
  bootout) [ -e "jobs/$name" ] && echo 2 >"jobs/$name" ;;
  print)
    [ -e "jobs/$name" ] || exit 113
    left=$(cat "jobs/$name")
    [ -z "$left" ] || if [ "$left" -gt 0 ]; then echo $((left - 1)) >"jobs/$name"; else rm "jobs/$name"; exit 113; fi ;;
  bootstrap)
    name=$name-$(basename "$3" .plist)
    [ ! -e "jobs/$name" ] && [ ! -e refuse ] || exit 5
    : >"jobs/$name" ;;
esac
"""

# Two users are logged in, 501 and 502. The processes are real ones, under the names in the file `processes`.
PS = """#!/bin/bash
case $2 in
  uid=,comm=) printf '  501 /System/Library/CoreServices/loginwindow.app/Contents/MacOS/loginwindow\\n  502 /x/loginwindow\\n    0 /sbin/launchd\\n' ;;
  uid=,pid=,comm=)
    while read -r user pid comm; do
      case $(/bin/ps -o stat= -p "$pid") in
        "" | Z*) ;;
        *) printf '%5s %5s %s\\n' "$user" "$pid" "$comm" ;;
      esac
    done <processes ;;
esac
"""


class Disk:
    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "disk of tests"
        self.root.mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "jobs").mkdir()
        for name in ("calls", "processes"):
            (folder / name).touch()
        self.stub("launchctl", LAUNCHCTL.replace("calls", f"{folder}/calls").replace("jobs/", f"{folder}/jobs/").replace("refuse", f"{folder}/refuse"))
        self.stub("ps", PS.replace("processes", f"{folder}/processes"))
        self.stub("pkgutil", f'#!/bin/sh\necho pkgutil "$@" >>"{folder}/calls"\n')
        self.stub("sleep", "#!/bin/sh\n")
        self.stub("id", "#!/bin/sh\necho 0\n")
        self.environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "MLXR_ROOT": str(self.root)}
        self.scripts = {name: pkg.fill_scripts(component, IDENTITY, folder / "scripts" / name) for name, component in COMPONENTS.items()}
        self.running = []

    def stub(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, program, *words):
        return subprocess.run([program, *words], env=self.environment, capture_output=True, text=True, timeout=60)

    def script(self, name, component="daemon", target="/"):
        return self.run(self.scripts[component] / name, "/tmp/MLXR.pkg", "/Library/MLXRunner", target, "/")

    def lay_payload(self, version):
        folder = self.root / "Library/MLXRunner"
        for name in ("bin/mlxrunnerd", "bin/mlx", "lib/libmlx.dylib", *LINKS.values()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
            (folder / name).chmod(0o755)
        for entry in manifest.load().trees["daemon"]:
            if entry.kind == "template" and not entry.to.endswith("/"):
                (folder / entry.to).parent.mkdir(parents=True, exist_ok=True)
                (folder / entry.to).write_text(manifest.fill((ROOT / entry.source).read_text(), IDENTITY))
                (folder / entry.to).chmod(0o755)
        (folder / f"share/mlxrunner/{LABEL}.plist").write_bytes(plistlib.dumps({"Label": LABEL, "ProgramArguments": [DAEMON]}))

    def install(self, version, target="/"):
        before = self.script("preinstall", target=target)
        self.lay_payload(version)
        after = self.script("postinstall", target=target)
        assert (before.returncode, after.returncode) == (0, 0), before.stderr + after.stderr
        return after

    def load(self, label, user=501):
        (self.folder / "jobs" / f"gui-{user}-{label}").touch()

    def start(self, program, user=501, ignores_the_wish=False):
        """A process that ps shows as `program`, and which ends at SIGTERM unless it ignores it."""
        words = ["sh", "-c", "trap '' TERM; echo; while :; do /bin/sleep 0.1; done"] if ignores_the_wish else ["sh", "-c", "echo; exec /bin/sleep 600"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
        process.stdout.readline()  # it runs, and its trap is set
        with (self.folder / "processes").open("a") as out:
            out.write(f"{user} {process.pid} {program}\n")
        self.running.append(process)
        return process

    def end(self):
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()

    def calls(self, *verbs):
        lines = [line.removeprefix("launchctl ") for line in (self.folder / "calls").read_text().splitlines()]
        return [line for line in lines if line.split()[0] in verbs]

    def text(self, name):
        return (self.root / name).read_text()

    def version_of(self, name):
        return self.text(name).split()[-1]


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path)
    yield disk
    disk.end()


def test_a_first_installation(disk):
    assert disk.install("1.0.0").stderr == ""
    assert {link: os.readlink(disk.root / link) for link in LINKS} == {link: f"/Library/MLXRunner/{target}" for link, target in LINKS.items()}
    agent = disk.root / f"Library/LaunchAgents/{LABEL}.plist"
    assert plistlib.loads(agent.read_bytes())["ProgramArguments"] == [DAEMON]
    assert agent.stat().st_mode & 0o777 == 0o644
    assert not (disk.root / "Library/MLXRunner/previous").exists()
    assert disk.calls("bootstrap") == [f"bootstrap gui/501 {agent}", f"bootstrap gui/502 {agent}"]  # each user who is logged in


def test_on_another_volume_nothing_is_started_or_stopped(disk):
    disk.install("1.0.0", target="/Volumes/Other")
    disk.install("1.0.1", target="/Volumes/Other")
    assert disk.script("postinstall", "app", "/Volumes/Other").returncode == 0
    assert (disk.folder / "calls").read_text() == ""


@pytest.mark.parametrize("first, second", [("1.0.0", "1.0.1"), ("1.0.1", "1.0.0")], ids=["upgrade", "downgrade"])
def test_the_version_before_is_kept(disk, first, second):
    disk.install(first)
    disk.install(second)
    assert disk.version_of("Library/MLXRunner/bin/mlxrunnerd") == second
    assert disk.version_of("Library/MLXRunner/previous/bin/mlxrunnerd") == first
    assert disk.version_of("Library/MLXRunner/previous/lib/libmlx.dylib") == first


def test_an_upgrade_starts_the_new_daemon_when_launchd_has_let_go_of_the_old_one(disk):
    """launchctl bootout returns before the job is gone (the daemon finishes its answers), and a bootstrap is refused until then."""
    disk.install("1.0.0")
    old = disk.start(DAEMON)
    (disk.folder / "calls").write_text("")
    assert disk.install("1.0.1").stderr == ""
    assert old.wait(10) == -signal.SIGTERM
    assert [line.split()[0] for line in disk.calls("bootout", "bootstrap")] == ["bootout", "bootout", "bootstrap", "bootstrap"]


def test_an_upgrade_ends_a_daemon_that_a_command_started(disk):
    """launchd does not know it. It would keep the socket, and the new daemon could not start."""
    process = disk.start(DAEMON)
    disk.install("1.0.1")
    assert process.wait(10) == -signal.SIGTERM


def test_a_daemon_that_does_not_end_is_killed(disk):
    process = disk.start(DAEMON, ignores_the_wish=True)
    disk.install("1.0.1")
    assert process.wait(10) == -signal.SIGKILL


def test_other_programs_go_on(disk):
    others = [disk.start(program) for program in (APP_DAEMON, "/opt/homebrew/bin/mlxrunnerd", DAEMON + " copy", "/Library/MLXRunner/bin/mlx")]
    disk.install("1.0.1")
    assert [other.poll() for other in others] == [None] * len(others)


def test_a_launchd_that_refuses_is_said_and_fails_nothing(disk):
    (disk.folder / "refuse").touch()
    assert disk.install("1.0.0").stderr.splitlines() == [f"MLXR: the daemon of user {user} starts at the next login." for user in (501, 502)]


def test_an_installation_that_fails_stops_nothing(disk):
    disk.install("1.0.0")
    old = disk.start(DAEMON)
    disk.stub("cp", "#!/bin/sh\nexit 1\n")
    assert disk.script("preinstall").returncode != 0
    assert old.poll() is None and disk.calls("bootout") == [f"bootout gui/{user}/{LABEL}" for user in (501, 502)]  # of the first installation


def test_an_interruption_while_the_old_version_is_kept_leaves_it_whole(disk):
    disk.install("1.0.0")
    disk.install("1.0.1")
    disk.stub("cp", '#!/bin/sh\n[ "$1" != -Rp ] || exit 1\nexec /bin/cp "$@"\n')
    assert disk.script("preinstall").returncode != 0
    assert disk.version_of("Library/MLXRunner/bin/mlxrunnerd") == "1.0.1"
    assert disk.version_of("Library/MLXRunner/previous/bin/mlxrunnerd") == "1.0.0"
    (disk.bin / "cp").unlink()
    disk.install("1.0.2")
    assert disk.version_of("Library/MLXRunner/previous/bin/mlxrunnerd") == "1.0.1"
    assert not (disk.root / "Library/MLXRunner/previous.part").exists()


def test_a_new_app_gets_its_daemon_started_for_those_who_had_it(disk):
    disk.load(APP_LABEL, user=502)
    old = disk.start(APP_DAEMON, user=502)
    assert disk.script("postinstall", "app").returncode == 0
    assert old.wait(10) == -signal.SIGTERM
    assert disk.calls("kickstart", "bootout", "bootstrap") == [f"kickstart gui/502/{APP_LABEL}"]


@pytest.mark.parametrize("target", ["/opt/other/tool/mlx", "nowhere", None], ids=["a link", "a broken link", "a file"])
def test_a_command_of_someone_elses_stays(disk, target):
    other = disk.root / "usr/local/bin/mlx"
    other.parent.mkdir(parents=True)
    other.symlink_to(target) if target else other.write_text("other")
    assert "MLXR: /usr/local/bin/mlx belongs to something else" in disk.install("1.0.0").stderr
    assert disk.run(disk.root / "Library/MLXRunner/uninstall.sh").returncode == 0
    assert os.readlink(other) == target if target else other.read_text() == "other"


def test_the_apps_link_becomes_the_packages(disk):
    link = disk.root / "usr/local/bin/mlx"
    link.parent.mkdir(parents=True)
    link.symlink_to("/Applications/MLXR.app/Contents/Helpers/mlx")
    disk.install("1.0.0")
    assert os.readlink(link) == "/Library/MLXRunner/bin/mlx"


def test_rollback_goes_back_and_forth(disk):
    disk.install("1.0.0")
    disk.install("1.0.1")
    rollback = disk.root / "Library/MLXRunner/rollback.sh"
    for there, kept in (("1.0.0", "1.0.1"), ("1.0.1", "1.0.0")):
        old = disk.start(DAEMON)
        done = disk.run(rollback)
        assert (done.returncode, done.stdout) == (0, f"{there}\n"), done.stderr
        assert old.wait(10) == -signal.SIGTERM
        assert disk.version_of("Library/MLXRunner/bin/mlxrunnerd") == disk.version_of("Library/MLXRunner/lib/libmlx.dylib") == there
        assert disk.version_of("Library/MLXRunner/previous/bin/mlxrunnerd") == kept


def test_rollback_without_an_earlier_version_says_so_and_stops_nothing(disk):
    disk.install("1.0.0")
    old = disk.start(DAEMON)
    done = disk.run(disk.root / "Library/MLXRunner/rollback.sh")
    assert done.returncode == 1 and "there is no earlier version" in done.stderr and old.poll() is None


def test_uninstall_leaves_nothing_of_the_package(disk):
    (disk.root / "Library/LaunchAgents").mkdir(parents=True)
    (disk.root / "Library/LaunchAgents/other.plist").touch()
    disk.install("1.0.0")
    disk.load(APP_LABEL)
    processes = [disk.start(DAEMON), disk.start(APP_DAEMON)]
    (disk.root / "Applications/MLXR.app/Contents").mkdir(parents=True)
    uninstall = disk.root / "Library/MLXRunner/uninstall.sh"
    dry = disk.run(uninstall, "--dry-run")
    assert dry.returncode == 0 and len(dry.stdout.splitlines()) == len(LINKS) + 3
    assert disk.version_of("Library/MLXRunner/bin/mlx") == "1.0.0" and [process.poll() for process in processes] == [None, None]
    assert disk.run(uninstall).returncode == 0
    left = [path.relative_to(disk.root).as_posix() for path in disk.root.rglob("*") if not path.is_dir()]
    assert left == ["Library/LaunchAgents/other.plist"]
    assert not (disk.root / "Library/MLXRunner").exists() and not (disk.root / "Applications/MLXR.app").exists()
    assert [process.wait(10) for process in processes] == [-signal.SIGTERM] * 2
    assert list((disk.folder / "jobs").iterdir()) == []
    assert [line for line in (disk.folder / "calls").read_text().splitlines() if line.startswith("pkgutil")] == [
        f"pkgutil --volume {disk.root} --forget {IDENTITY['app_id']}.pkg.{name}" for name in ("app", "daemon")
    ]


def test_uninstall_refuses_what_it_does_not_know(disk):
    disk.install("1.0.0")
    done = disk.run(disk.root / "Library/MLXRunner/uninstall.sh", "--everything")
    assert done.returncode == 2 and "usage" in done.stderr


def test_uninstall_from_an_unpacked_archive_removes_nothing(disk):
    disk.install("1.0.0")
    copy = disk.folder / "mlxrunner" / "uninstall.sh"
    copy.parent.mkdir()
    shutil.copy(disk.root / "Library/MLXRunner/uninstall.sh", copy)
    done = disk.run(copy)
    assert done.returncode == 1 and str(copy.parent) in done.stderr
    assert (disk.root / "Library/MLXRunner/bin/mlx").exists()


# The command line of the app (install-mlx.command), which the app opens in Terminal.


@pytest.fixture
def app(disk):
    disk.stub("sudo", f'#!/bin/sh\necho sudo "$@" >>"{disk.folder}/calls"\nexec "$@"\n')
    return lay_app(disk, disk.root / "Applications/MLXR.app")


def lay_app(disk, bundle):
    for name in ("Helpers/mlx", "Resources/install-mlx.command"):
        (bundle / "Contents" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "release/macos/install-mlx.command", bundle / "Contents" / name)
    return bundle


def install_mlx(disk, bundle):
    return disk.run(bundle / "Contents/Resources/install-mlx.command")


def test_the_app_installs_its_command_with_one_authorization(disk, app):
    done = install_mlx(disk, app)
    assert done.returncode == 0, done.stderr
    assert pathlib.Path(os.readlink(disk.root / "usr/local/bin/mlx")) == app / "Contents/Helpers/mlx"
    (disk.folder / "calls").write_text("")
    again = install_mlx(disk, app)
    assert again.returncode == 0 and "already" in again.stdout and (disk.folder / "calls").read_text() == ""


@pytest.mark.parametrize("target, taken", [("/Library/MLXRunner/bin/mlx", True), ("/Users/ada/MLXR.app/Contents/Helpers/mlx", True),
                                           ("/opt/other/mlx", False), ("nowhere", False)])  # fmt: skip
def test_the_app_takes_no_command_of_someone_elses(disk, app, target, taken):
    link = disk.root / "usr/local/bin/mlx"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    done = install_mlx(disk, app)
    assert (done.returncode == 0) == taken
    assert os.readlink(link) == (str(app / "Contents/Helpers/mlx") if taken else target)


def test_an_app_that_macos_runs_from_elsewhere_installs_nothing(disk, app):
    moved = lay_app(disk, disk.root / "private/var/folders/x/AppTranslocation/1/d/MLXR.app")
    done = install_mlx(disk, moved)
    assert done.returncode == 1 and "Applications" in done.stderr and not (disk.root / "usr/local/bin/mlx").exists()
