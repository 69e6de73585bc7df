"""`mlx doctor --install`: installations with one defect each, and the advice about it."""

import json
import os
import shutil
import subprocess
import tomllib

import pytest
from programs import BUILD, ROOT, Mlx, new_home, wait_for

IDENTITY = tomllib.loads((ROOT / "release/manifest.toml").read_text())["identity"]
VERSION = (ROOT / "VERSION").read_text().strip()


@pytest.fixture(scope="module")
def installed():
    with new_home() as folder:
        subprocess.run(["cmake", "--install", BUILD, "--prefix", folder / "mlxr", "--component", "programs", "--strip"], check=True, capture_output=True)
        yield folder / "mlxr"


class Tree:
    """An installation of a test's own, and a user who has it on PATH."""

    def __init__(self, root, home, programs="bin"):
        self.root, self.home, self.bin = root, home, root / programs
        own = [name for name in os.environ if name.startswith(("MLXR_", "XDG_"))]
        self.environment = {name: value for name, value in os.environ.items() if name not in own}
        self.environment |= {"HOME": str(home), "PATH": f"{self.bin}:/usr/bin:/bin"}

    def mlx(self, *words):
        return subprocess.run([self.bin / "mlx", *words], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    def findings(self, status):
        """{subject: finding}; `status` is what the program must end with."""
        run = self.mlx("doctor", "--install", "--json")
        assert run.returncode == status, run.stdout + run.stderr
        said = json.loads(run.stdout)
        assert said["ok"] == (status == 0)
        return {finding["subject"]: finding for finding in said["findings"]}

    def the_wrong(self, subject):
        """The one finding that is wrong."""
        wrong = [finding for finding in self.findings(1).values() if finding["verdict"] == "wrong"]
        assert [finding["subject"] for finding in wrong] == [subject]
        assert wrong[0]["todo"]
        return wrong[0]

    def stub(self, name, script, folder=None):
        """A program of others on PATH."""
        file = (folder or self.bin) / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(0o755)
        return file


@pytest.fixture
def tree(installed, home):
    root = home / "my programs" / "mlxr"
    root.parent.mkdir()
    subprocess.run(["cp", "-a", installed, root], check=True)
    user = home / "user"
    user.mkdir()
    return Tree(root, user)


def test_all_is_well(tree):
    run = tree.mlx("doctor", "--install")
    assert run.returncode == 0, run.stdout
    assert "All is well." in run.stdout
    assert f"installation: {tree.root} is unpacked from an archive; mlx {VERSION}" in run.stdout
    found = tree.findings(0)
    assert {finding["verdict"] for finding in found.values()} == {"ok"}
    assert found.keys() >= {"daemon", "MLX", "kernel pack", "default settings", "licenses", "PATH", "service", "running daemon", "socket", "data", "disk space"}
    assert not (tree.home / ".local").exists()  # it looked, and made nothing


def test_a_build_tree_says_what_it_is(home):
    mlx = Mlx(home)
    assert f"{BUILD} is a build tree" in mlx.json("doctor", "--install")["findings"][0]["text"]


@pytest.mark.parametrize(
    "part, subject",
    [
        ("bin/mlxrunnerd", "daemon"),
        ("lib/mlxrunner/kernels/cpu/manifest.json", "kernel pack"),
        ("lib/mlxrunner/kernels/cpu/libmlxr_kernels_cpu.so", "kernel pack"),
        ("share/mlxrunner/server.yaml", "default settings"),
        ("share/doc/mlxrunner/licenses", "licenses"),
    ],
)
def test_what_is_missing_is_named(tree, part, subject):
    gone = tree.root / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    wrong = tree.the_wrong(subject)
    assert str(gone) in wrong["text"] and "missing" in wrong["text"]
    assert wrong["todo"] == "Unpack the archive again"


def test_a_library_that_is_missing_stops_the_daemon_too(tree):
    (tree.root / "lib/mlxrunner/libmlx.so").unlink()
    found = tree.findings(1)
    assert found["MLX"]["verdict"] == "wrong" and "libmlx.so" in found["daemon"]["text"]


@pytest.mark.parametrize("part, subject", [("bin/mlxrunnerd", "daemon"), ("lib/mlxrunner/libmlx.so", "MLX"), ("share/mlxrunner", "default settings")])
def test_what_everybody_can_change_is_wrong(tree, part, subject):
    (tree.root / part).chmod(0o777)
    wrong = tree.the_wrong(subject)
    assert "is writable by everyone" in wrong["text"] and wrong["todo"] == f"Fix it: chmod o-w '{tree.root / part}'"
    subprocess.run(wrong["todo"].removeprefix("Fix it: "), shell=True, check=True)
    tree.findings(0)


def test_a_program_that_cannot_be_run_is_wrong(tree):
    (tree.root / "bin/mlxrunnerd").chmod(0o644)
    assert "cannot be run" in tree.the_wrong("daemon")["text"]


def test_a_daemon_of_another_version_is_wrong(tree):
    tree.stub("mlxrunnerd", "echo mlxrunnerd 0.0.1\n")
    assert f"says 'mlxrunnerd 0.0.1'; mlx is {VERSION}" in tree.the_wrong("daemon")["text"]


@pytest.mark.parametrize("name, value", [("version", "0.0.1"), ("abi", 1), ("sha256", "0" * 64)])
def test_a_pack_that_is_not_ours_is_wrong(tree, name, value):
    manifest = tree.root / "lib/mlxrunner/kernels/cpu/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {name: value}))
    text = tree.the_wrong("kernel pack")["text"]
    assert "does not match its manifest" in text if name == "sha256" else str(value) in text


def test_a_damaged_manifest_is_wrong(tree):
    for text in ("{", "[]", '{"library": 1, "sha256": ""}', ""):
        (tree.root / "lib/mlxrunner/kernels/cpu/manifest.json").write_text(text)
        assert "is damaged" in tree.the_wrong("kernel pack")["text"]


def test_a_stale_mlx_that_path_finds_first_is_wrong(tree):
    stale = tree.stub("mlx", "echo mlx 0.0.1\n", tree.home / "old")
    tree.environment["PATH"] = f"{stale.parent}:{tree.environment['PATH']}"
    wrong = tree.the_wrong("PATH")
    assert f"finds {stale}, version 0.0.1, before {tree.bin}/mlx" in wrong["text"]


def test_a_link_to_this_mlx_is_this_mlx(tree):
    folder = tree.home / ".local" / "bin"
    folder.mkdir(parents=True)
    (folder / "mlx").symlink_to(tree.bin / "mlx")
    tree.environment["PATH"] = f"{folder}:/usr/bin:/bin"
    assert tree.findings(0)["PATH"]["verdict"] == "ok"


def test_another_copy_is_named(tree):
    folder = tree.home / ".local" / "bin"
    folder.mkdir(parents=True)
    other = tree.stub("mlx", "echo mlx 0.0.1\n", folder)
    found = tree.findings(0)["another copy"]
    assert found["verdict"] == "warning" and f"{other}, version 0.0.1" in found["text"]
    tree.stub("mlx", "echo a program for mixing music, of that name\n", folder)
    assert "another copy" not in tree.findings(0)


def test_a_path_without_mlx_is_said(tree):
    tree.environment["PATH"] = "/usr/bin:/bin"
    found = tree.findings(0)["PATH"]
    assert found["verdict"] == "warning" and f'PATH="{tree.bin}:$PATH"' in found["todo"]


@pytest.fixture
def unit(tree):
    file = tree.home / ".config/systemd/user/mlxrunnerd.service"
    file.parent.mkdir(parents=True)
    text = (tree.root / "lib/systemd/user/mlxrunnerd.service").read_text()
    assert text.count("ExecStart=mlxrunnerd\n") == 1
    return lambda program: file.write_text(text.replace("ExecStart=mlxrunnerd\n", f"ExecStart={program}\n")) and file


def test_a_unit_that_points_to_nowhere_is_wrong(tree, unit):
    unit("/nowhere/bin/mlxrunnerd --threads 2")
    wrong = tree.the_wrong("service")
    assert "starts /nowhere/bin/mlxrunnerd, which does not exist" in wrong["text"] and f"ExecStart={tree.bin}/mlxrunnerd" in wrong["todo"]


def test_a_unit_of_this_installation_is_well(tree, unit):
    file = unit(f'"{tree.bin}/mlxrunnerd" --threads 2')
    assert "not started at login" in tree.findings(0)["service"]["text"]
    link = file.parent / "default.target.wants" / file.name
    link.parent.mkdir()
    link.symlink_to(file)
    assert tree.findings(0)["service"]["text"].endswith(", started at login")
    file.unlink()
    assert "that does not exist" in tree.the_wrong("service")["text"]


def test_a_unit_of_another_installation_is_said(tree, unit):
    unit(tree.stub("mlxrunnerd", f"echo mlxrunnerd {VERSION}\n", tree.home / "other"))
    found = tree.findings(0)["service"]
    assert found["verdict"] == "warning" and "of another installation" in found["text"]


def test_a_unit_without_a_program_is_wrong(tree, unit):
    unit("")
    assert "starts nothing" in tree.the_wrong("service")["text"]


def test_a_daemon_that_was_replaced_is_said(tree):
    assert tree.mlx("doctor").returncode == 0  # which starts it
    try:
        assert tree.findings(0)["running daemon"]["text"] == f"version {VERSION}, {tree.bin}/mlxrunnerd"
        shutil.copy(tree.bin / "mlxrunnerd", tree.bin / "new")
        (tree.bin / "new").replace(tree.bin / "mlxrunnerd")
        found = tree.findings(0)["running daemon"]
        assert found["verdict"] == "warning" and "mlx stop" in found["todo"]
    finally:
        assert tree.mlx("stop").returncode == 0


def test_data_that_others_can_change_is_wrong(tree):
    support = tree.home / ".local/share/mlxrunner"
    run = support / "run"
    run.mkdir(parents=True, mode=0o700)
    tree.findings(0)
    support.chmod(0o777)
    assert "can be changed by other users" in tree.the_wrong("data")["text"]
    support.chmod(0o700)
    token = support / "capability_token"
    token.write_text("0" * 64)
    token.chmod(0o644)
    assert f"{token} can be read by other users" in tree.the_wrong("data")["text"]
    token.unlink()
    run.chmod(0o775)
    assert "can be changed by other users" in tree.the_wrong("socket")["text"]


def test_settings_that_the_daemon_refuses_are_wrong(tree):
    file = tree.home / ".config/mlxrunner/server.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("threads: 1\n")
    assert tree.findings(0)["settings"]["text"] == f"threads, in {file}"
    file.write_text("threads: many\n")
    assert f"{file}:1: `threads` must be" in tree.the_wrong("settings")["text"]
    file.unlink()
    (tree.root / "share/mlxrunner/server.yaml").write_text("port: [\n")
    assert "server.yaml:" in tree.the_wrong("default settings")["text"]


def test_an_open_socket_is_wrong(tree):
    assert tree.mlx("doctor").returncode == 0  # which starts it
    try:
        socket = tree.home / ".local/share/mlxrunner/run/mlxrunner.sock"
        assert socket.stat().st_mode & 0o777 == 0o600
        socket.chmod(0o666)
        assert "is open to other users" in tree.the_wrong("socket")["text"]
    finally:
        assert tree.mlx("stop").returncode == 0
    wait_for(lambda: tree.findings(0))


# A Mac's installations, as far as Linux can tell: the files where the manifest has them, and Apple's tools played by scripts.


@pytest.fixture
def app(installed, home):
    contents = home / "MLXR.app" / "Contents"
    for to, source in {
        "Helpers/mlx": "bin/mlx", "Frameworks/libmlx.dylib": "lib/mlxrunner/libmlx.so", "Frameworks/libmlxrunner_core.dylib": "lib/mlxrunner/libmlx.so",
        "Resources/mlx.metallib": "share/mlxrunner/server.yaml", "Resources/kernels/cpu": "lib/mlxrunner/kernels/cpu",
        "Resources/defaults/server.yaml": "share/mlxrunner/server.yaml", "Resources/licenses": "share/doc/mlxrunner/licenses",
    }.items():  # fmt: skip
        (contents / to).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", installed / source, contents / to], check=True)
    subprocess.run(["cp", "-a", f"{BUILD}/lib/kernels/metal/.", contents / "Resources/kernels"], check=True)
    user = home / "user"
    user.mkdir()
    tree = Tree(contents, user, "Helpers")
    tree.stub("mlxrunnerd", f"echo mlxrunnerd {VERSION}\n")
    tree.tools = home / "tools"
    tree.environment["PATH"] += f":{tree.tools}"
    for tool in ("codesign", "spctl"):
        tree.stub(tool, f'echo {tool} "$@" >>{home}/asked\n', tree.tools)
    tree.stub("xattr", "exit 1\n", tree.tools)
    tree.stub("launchctl", "exit 113\n", tree.tools)
    return tree


def test_an_app_is_checked_by_apples_tools(app):
    found = app.findings(0)
    assert {finding["verdict"] for finding in found.values()} == {"ok"}
    assert "is an app" in found["installation"]["text"] and "none is registered" in found["service"]["text"]
    bundle = app.root.parent
    assert (bundle.parent / "asked").read_text().splitlines() == [f"codesign --verify --deep --strict {bundle}", f"spctl --assess --type execute {bundle}"]


def test_an_app_that_was_changed_is_wrong(app):
    app.stub("codesign", f"echo '{app.root.parent}: a sealed resource is missing or invalid' >&2; exit 1\n", app.tools)
    wrong = app.the_wrong("code signature")
    assert "a sealed resource" in wrong["text"] and "disk image" in wrong["todo"]


def test_the_metal_pack_is_looked_at(app):
    assert app.findings(0)["Metal kernel pack"]["text"] == f"{app.root}/Resources/kernels, version {VERSION}"
    (app.root / "Resources/kernels/rms_norm.metal").write_text("kernel void other() {}")
    assert "rms_norm.metal does not match its manifest" in app.the_wrong("Metal kernel pack")["text"]


def test_what_gatekeeper_says_is_passed_on(app):
    app.stub("spctl", "echo 'MLXR.app: rejected' >&2; exit 3\n", app.tools)
    app.stub("xattr", "echo '0081;1;Safari;'\n", app.tools)
    found = app.findings(0)
    assert found["Gatekeeper"]["text"] == "MLXR.app: rejected" and "Open it once" in found["quarantine"]["todo"]


def test_what_launchd_starts_is_looked_at(app):
    of_package, of_app = IDENTITY["daemon_id"], IDENTITY["app_agent"]

    def launchd(field, *labels):
        printed = f"gui/501/job = {{\\n\\tactive count = 1\\n\\tstate = running\\n\\n\\t{field}\\n}}\\n"
        app.stub("launchctl", f"case ${{2##*/}} in {'|'.join(labels)}) printf '{printed}' ;; *) exit 113 ;; esac\n", app.tools)

    launchd("program identifier = Contents/Helpers/mlxrunnerd (mode: 2)", of_app)
    assert app.findings(0)["service"]["text"] == f"launchd has {of_app}, running, started at login for the app"
    launchd(f"program = {app.bin}/mlxrunnerd", of_package)
    assert app.findings(0)["service"]["text"] == f"launchd has {of_package}, running, started at login"
    launchd(f"program = {app.bin}/mlxrunnerd", of_package, of_app)
    assert app.findings(0)["service"]["text"] == f"launchd has two jobs that start the daemon, {of_package} and {of_app}"
    launchd("program = /Library/MLXRunner/bin/mlxrunnerd", of_package)
    assert "launchctl bootout gui/" in app.the_wrong("service")["todo"]
