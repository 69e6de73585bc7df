"""`mlx uninstall`: MLXR's files are removed, the user's own files stay, and models are removed only on request."""

import os
import subprocess

import pytest
from programs import BUILD, MODEL, begin_download, new_home, wait_for


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def used(pulling):
    """A home with all that there can be: a pulled model, an imported one, a cache, settings, a token, logs, and a daemon that runs."""
    mlx = pulling
    mlx.import_model()
    assert mlx("pull", "test:licensed", "--accept-license").returncode == 0
    (mlx.home / "server.yaml").write_text("context: 512\n")
    assert mlx("token", "show").returncode == 0
    assert mlx("run", MODEL, "Hi", "--max-tokens", "1").returncode == 0
    wait_for(lambda: list((mlx.home / "cache").glob("*.panels")))
    return mlx


def test_nothing_is_left(used):
    run = used("uninstall", "--yes", "--models")
    assert run.returncode == 0, run.stderr
    assert not used.home.exists()
    assert f"the build folder {BUILD}\n" in run.stdout
    used.home.mkdir()  # the fixture removes it


def test_a_dry_run_removes_nothing_and_says_what_would_go(used):
    before = tree(used.home)
    run = used("uninstall", "--dry-run")
    assert run.returncode == 0
    for name in ("server.yaml", "capability_token", "locks/", "cache/", "run/", "logs/", "models/", "registry.sqlite"):
        assert f"{used.home}/{name}" in run.stdout
    assert tree(used.home) == before and used("ps").returncode == 0
    assert used("list", "-q").stdout.split() == [MODEL, "test:licensed"]


def test_models_stay_when_told(used):
    assert used("uninstall", "--yes", "--keep-models").returncode == 0
    left = tree(used.home)
    assert {name.split("/")[0] for name in left} == {"models", "registry.sqlite"}
    assert used("list", "-q").stdout.split() == [MODEL, "test:licensed"]


def test_without_a_terminal_it_must_be_told(used):
    before = tree(used.home)
    for words, missing in ((["--models"], "--yes"), (["--yes"], "--keep-models")):
        run = used("uninstall", *words)
        assert run.returncode == 2 and missing in run.stderr
    assert used("uninstall", "--models", "--keep-models").returncode == 2
    assert tree(used.home) == before


def test_on_a_terminal_it_asks_twice(used):
    with used.on_terminal("uninstall") as asked:
        asked.expect_exact("Remove MLXR's data? [y/N] ")
        asked.sendline("n")
        asked.expect_exact("Nothing was removed.")
        asked.expect_exact("\n")
    with used.on_terminal("uninstall") as asked:
        asked.expect_exact("Remove MLXR's data? [y/N] ")
        asked.sendline("y")
        asked.expect_exact("Remove 1 model (")
        asked.sendline("n")
        asked.expect_exact("except the models")
        asked.read()
    assert used("list", "-q").stdout.split() == [MODEL, "test:licensed"]


def test_what_is_the_users_own_stays(used, sources):
    """MLXR_HOME may be a folder that was there before, with files of its own in folders that are called as MLXR's are."""
    mlx = used
    mine = ("models/mine/thesis.txt", "models/mine.gguf", "cache/pictures.db", "logs/diary.txt", "run/pid", "locks/door", "quarantine/notes.txt.md",
            "cache/" + "0" * 64 + "-avx2.panels", "models/tests/test@licensed/notes.txt", "locks/door.lock", "logs/history",
            "models/mine/film/.partial/film.mkv", "models/tests/begun/.partial/notes.txt", "models/tests/begun/.partial/package/notes.txt")  # fmt: skip
    for name in mine:
        (mlx.home / name).parent.mkdir(parents=True, exist_ok=True)
        (mlx.home / name).write_text("keep")
    begin_download(mlx.home / "models/tests/begun/.partial", "begun.gguf", 1000)
    imported = mlx.home / "models" / "mine" / "imported.gguf"
    imported.write_bytes((sources / "model.gguf").read_bytes())
    assert mlx("import", imported, "--name", "imported").returncode == 0
    assert list((mlx.home / "cache").glob("*.panels")) and (mlx.home / "logs" / "mlxrunnerd.log").exists()

    run = mlx("uninstall", "--yes", "--models")
    assert run.returncode == 0, run.stderr
    kept = sorted(path for path in tree(mlx.home) if (mlx.home / path).is_file())
    assert kept == sorted([*mine, "models/mine/imported.gguf"])
    for folder in (mlx.home, *(mlx.home / name for name in ("models", "cache", "logs", "run", "locks"))):
        assert run.stdout.count(f"{folder} stays: it holds files that are not MLXR's") == 1


def test_an_unfinished_download_goes_with_the_models(empty):
    begin_download(empty.home / "models" / "host" / "big" / ".partial", "big.gguf", 1000)
    assert "unfinished downloads (1 kB)" in empty("uninstall", "--yes").stderr
    assert empty("uninstall", "--yes", "--models").returncode == 0
    assert not empty.home.exists()
    empty.home.mkdir()  # the fixture removes it


def test_a_daemon_that_listens_elsewhere(empty):
    with new_home() as elsewhere:
        socket = elsewhere / "mlxr.sock"
        (elsewhere / "mine").write_text("of the user")
        (empty.home / "server.yaml").write_text(f"uds: {socket}\n")
        assert empty("doctor").returncode == 0  # starts it
        assert socket.is_socket() and str(socket) in empty("doctor").stdout
        assert empty("ps").stderr == ""  # it is found
        run = empty("uninstall", "--yes")
        assert run.returncode == 0, run.stderr
        assert tree(elsewhere) == ["mine"]  # a daemon removes its socket as the last thing
    assert not empty.home.exists()
    empty.home.mkdir()  # the fixture removes it


def test_a_data_folder_on_another_disk(pulling, tmp_path):
    """The user made links to another disk; what MLXR wrote through them goes, the links and everything else there stays."""
    home, disk = pulling.home, tmp_path / "disk"
    (disk / "models").mkdir(parents=True)
    (disk / "models" / "weights").write_text("of somebody")
    (home / "models").symlink_to(disk / "models")
    (home / "logs").symlink_to(disk)
    assert pulling("pull", "test:good").returncode == 0
    assert list(disk.rglob("*.gguf"))
    run = pulling("uninstall", "--yes", "--models")
    assert run.returncode == 0, run.stderr
    assert tree(disk) == ["models", "models/weights"]
    assert tree(home) == ["logs", "models"] and f"{home}/models stays: it is a link" in run.stdout


def test_no_folder_above_the_programs_is_named(tmp_path):
    """~/.local/bin/mlx: the folder ~/.local is not MLXR's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mlx", "mlxrunnerd"):
        (programs / name).write_bytes((BUILD / "bin" / name).read_bytes())
        (programs / name).chmod(0o755)
    run = subprocess.run([programs / "mlx", "uninstall", "--dry-run"], env={**os.environ, "MLXR_HOME": str(tmp_path / "home")},
                         capture_output=True, text=True, timeout=60)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert f"Delete:\n  {programs}/mlx\n  {programs}/mlxrunnerd\n" in run.stdout
    assert str(tmp_path) not in run.stdout.split()


@pytest.mark.parametrize("is_archive", [False, True], ids=["somebody's own folder", "an unpacked archive"])
def test_a_folder_with_mlxrs_name_is_the_archive_only_with_its_files(tmp_path, is_archive):
    """~/mlxrunner-notes/bin/mlx, beside the notes."""
    root = tmp_path / "mlxrunner-notes"
    (root / "bin").mkdir(parents=True)
    if is_archive:
        (root / "share/doc/mlxrunner/licenses").mkdir(parents=True)
        (root / "share/mlxrunner").mkdir(parents=True)
        (root / "share/mlxrunner/server.yaml").write_text("")
    (root / "bin/mlx").write_bytes((BUILD / "bin/mlx").read_bytes())
    (root / "bin/mlx").chmod(0o755)
    run = subprocess.run([root / "bin/mlx", "uninstall", "--dry-run"], env={**os.environ, "MLXR_HOME": str(tmp_path / "home")},
                         capture_output=True, text=True, timeout=60)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (f"Delete the folder {root}\n" in run.stdout) == is_archive
    assert (f"Delete:\n  {root}/bin/mlx\n" in run.stdout) != is_archive


def test_a_history_and_locks_of_mlxrs_own_go(used):
    with used.on_terminal("run", MODEL) as chat:
        chat.expect_exact(">>> ")
        chat.sendline("/?")
        chat.expect_exact(">>> ")
        chat.sendline("/bye")
        chat.read()
    assert (used.home / "logs/history").exists() and list((used.home / "locks").glob("*.lock"))
    assert used("uninstall", "--yes", "--keep-models").returncode == 0
    assert not (used.home / "logs").exists() and not (used.home / "locks").exists()


def test_a_registry_that_cannot_be_read_stops_it(empty):
    (empty.home / "registry.sqlite").write_bytes(b"no database" * 1000)
    (empty.home / "models").mkdir()
    before = tree(empty.home)
    run = empty("uninstall", "--yes", "--models")
    assert run.returncode == 7 and "registry.sqlite" in run.stderr
    assert tree(empty.home) == before


def test_standard_folders(empty, sources):
    """Without MLXR_HOME: the XDG folders, and systemd's link that starts the daemon at login."""
    home = empty.home / "ada"
    home.mkdir()
    del empty.environment["MLXR_HOME"]
    for name in [name for name in empty.environment if name.startswith("XDG_")]:
        del empty.environment[name]
    empty.environment["HOME"] = str(home)
    link = home / ".config/systemd/user/default.target.wants/mlxrunnerd.service"
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/lib/systemd/user/mlxrunnerd.service")
    other = link.with_name("other.service")
    other.symlink_to("/usr/lib/systemd/user/other.service")
    assert empty("import", sources / "model.gguf", "--name", "tiny").returncode == 0
    assert empty("ps").returncode == 0
    run = empty("uninstall", "--yes")
    assert run.returncode == 0, run.stderr
    assert [path for path in home.rglob("*mlx*")] == []
    assert other.is_symlink()
    assert "No data of MLXR found" in empty("uninstall", "--yes").stdout
