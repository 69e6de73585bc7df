"""`mlx uninstall`: what MLXR keeps goes, what is the user's own stays, and models go only when somebody said so."""

import pytest
from programs import BUILD, MODEL, new_home, wait_for


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
    assert f"Delete the folder {BUILD}\n" in run.stdout  # of programs that no package manager knows
    used.home.mkdir()  # the fixture removes it


def test_a_dry_run_removes_nothing_and_says_what_would_go(used):
    before = tree(used.home)
    run = used("uninstall", "--dry-run")
    assert run.returncode == 0
    for name in ("server.yaml", "capability_token", "cache", "run", "logs", "models", "registry.sqlite"):
        assert f"{used.home}/{name}\n" in run.stdout
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
        asked.expect_exact("but for its models")
        asked.read()
    assert used("list", "-q").stdout.split() == [MODEL, "test:licensed"]


def test_what_is_the_users_own_stays(empty, sources):
    mlx = empty
    mine = mlx.home / "models" / "mine" / "mine.gguf"
    elsewhere = mlx.home / "elsewhere"
    for folder in (mine.parent, elsewhere, mlx.home / "cache"):
        folder.mkdir(parents=True)
    mine.write_bytes((sources / "model.gguf").read_bytes())
    (elsewhere / "precious").write_text("precious")
    (mlx.home / "cache" / "link").symlink_to(elsewhere)
    (mlx.home / "logs").symlink_to(elsewhere)
    assert mlx("import", mine, "--name", "mine").returncode == 0
    (mine.parent / "part").write_text("an unfinished download")
    run = mlx("uninstall", "--yes", "--models")
    assert run.returncode == 0, run.stderr
    assert tree(mlx.home) == ["elsewhere", "elsewhere/precious", "models", "models/mine", "models/mine/mine.gguf"]
    assert f"{mlx.home}/models stays" in run.stdout


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


def test_a_folder_that_is_a_link_is_not_followed(empty, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "weights").write_text("of somebody")
    (empty.home / "notes").write_text("the home stays for it")
    (empty.home / "models").symlink_to(disk)
    run = empty("uninstall", "--yes")
    assert run.returncode == 0, run.stderr
    assert (disk / "weights").exists()
    assert tree(empty.home) == ["notes"]


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
    assert "There is nothing of MLXR" in empty("uninstall", "--yes").stdout
