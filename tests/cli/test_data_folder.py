"""The data folder: its owner, moving and copying it, and a full disk."""

import contextlib
import os
import shutil
import subprocess

import pytest
from programs import BUILD, Mlx, begin_download, fill, new_home, small_disk, wait_for

IS_ROOT = os.geteuid() == 0


def mode(folder):
    return folder.stat().st_mode & 0o7777


@pytest.mark.parametrize("before", [0o755, 0o750, 0o1777, 0o777, 0o775])
def test_the_mode_of_a_folder_that_was_there_is_never_changed(empty, before):
    """MLXR_HOME may be /data, a home folder, or /tmp."""
    empty.home.chmod(before)
    run = empty("list")
    assert mode(empty.home) == before
    if before & 0o022:
        assert run.returncode == 9 and "can be changed by other users" in run.stderr
        assert ("chmod go-w" in run.stderr) == (not before & 0o1000)
    else:
        assert run.returncode == 0
        assert mode(empty.home / "registry.sqlite") == 0o600
    empty.home.chmod(0o700)


def test_uds_in_a_folder_of_everybodys_is_refused_and_left_alone(empty, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (empty.home / "server.yaml").write_text(f"uds: {shared}/mlxr.sock\n")
    run = empty("doctor")
    assert f"{shared} can be changed by other users" in run.stdout and "chmod" not in run.stdout
    assert mode(shared) == 0o1777


def test_a_data_folder_that_is_a_link_to_another_disk(home, sources, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    (home / "link").symlink_to(disk)
    mlx = Mlx(home / "link", MLXR_CATALOGUE=str(sources / "catalogue.json"), MLXR_PYTHON=str(sources / "python"), no_proxy="*")
    assert mlx("pull", "test:good").returncode == 0
    assert mlx("list", "-q").stdout.split() == ["test:good"] and list(disk.rglob("*.gguf"))
    mlx.stop()


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another user")
def test_after_sudo_the_way_back_is_said(home):
    """`sudo mlx …` with the user's HOME leaves root's files."""
    ada = home / "ada"
    ada.mkdir()
    home.chmod(0o755)
    os.chown(ada, 1234, 1234)
    data = ada / ".local/share/mlxrunner"
    environment = {"PATH": os.environ["PATH"], "HOME": str(ada)}
    for words in (["run", "nosuch", "Hello"], ["doctor"], ["list"]):
        run = subprocess.run([BUILD / "bin" / "mlx", *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert run.stderr.startswith(f"mlx: You are root, and {ada} belongs to user 1234.") and "without sudo" in run.stderr, words
        subprocess.run([BUILD / "bin" / "mlx", "stop"], env=environment, capture_output=True, check=True)
        if words != ["list"]:
            shutil.rmtree(ada / ".local")
            shutil.rmtree(ada / ".cache", ignore_errors=True)
    as_ada = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]
    run = subprocess.run([*as_ada, BUILD / "bin" / "mlx", "list"], env=environment, capture_output=True, text=True)
    assert run.returncode == 9 and "belongs to root" in run.stderr and "mlx doctor" in run.stderr
    report = subprocess.run([*as_ada, BUILD / "bin" / "mlx", "doctor"], env=environment, capture_output=True, text=True).stdout
    assert f"sudo chown -R \"$USER\" '{data}'" in report
    assert f"'{ada}'" not in report and f"'{ada}/.local'" not in report and f"'{ada}/.local/share'" not in report


@pytest.mark.skipif(not IS_ROOT, reason="only root can be another user")
@pytest.mark.parametrize("missing", ["/nonexistent", "/home/not-made-yet"])
def test_no_advice_touches_a_folder_that_is_not_mlxrs(missing):
    report = subprocess.run(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", BUILD / "bin" / "mlx", "doctor"],
                            env={"PATH": os.environ["PATH"], "HOME": missing}, capture_output=True, text=True).stdout  # fmt: skip
    assert "cannot be created in" in report and "Set HOME, or MLXR_HOME" in report
    assert "chown" not in report and "chmod" not in report


def test_a_moved_folder_keeps_its_models_and_a_copy_is_independent(sources):
    with new_home() as above:
        original, copy, moved = (Mlx(above / name, MLXR_CATALOGUE=str(sources / "catalogue.json"), no_proxy="*") for name in ("a", "b", "c"))
        assert original("pull", "test:good").returncode == 0
        shutil.copytree(above / "a", above / "b")
        (above / "a").rename(above / "c")
        for mlx in (copy, moved):
            (file,) = mlx.home.rglob("*.gguf")
            assert mlx("show", "test:good").returncode == 0 and str(file) in mlx("show", "test:good", "--json").stdout
        assert copy("rm", "test:good").returncode == 0
        assert not list((above / "b").rglob("*.gguf")) and list((above / "c").rglob("*.gguf"))
        assert "unchanged" in moved("doctor").stdout
        assert moved("rm", "test:good").returncode == 0
        assert not list((above / "c").rglob("*.gguf")) and (above / "c" / "models").is_dir()
        for mlx in (copy, moved):
            mlx.stop()


def test_a_file_that_is_missing_or_incomplete_is_said_in_the_list(sources):
    """ramalama#784 and ollama#9756: after a copy or a deletion by hand, the list failed, or showed models that could not run."""
    with new_home() as home:
        mlx = Mlx(home, MLXR_CATALOGUE=str(sources / "catalogue.json"), no_proxy="*")
        assert mlx("pull", "test:good").returncode == 0
        shutil.copy(sources / "model.gguf", home / "target.gguf")
        (home / "link.gguf").symlink_to(home / "target.gguf")
        assert mlx("import", home / "link.gguf", "--name", "linked").returncode == 0
        (home / "target.gguf").unlink()
        (pulled,) = (home / "models").rglob("*.gguf")
        size = pulled.stat().st_size
        os.truncate(pulled, size - 1)
        text = mlx("list").stdout
        assert f"linked cannot run: its file is missing ({home / 'link.gguf'}). Import it again" in text
        assert f"test:good cannot run: its file has {size - 1} bytes and had {size} " in text and "mlx pull test:good" in text
        assert [model["name"] for model in mlx.json("list")["models"] if "trouble" in model] == ["linked", "test:good"]
        assert mlx("rm", "linked").stdout == "Removed linked.\n"
        assert mlx("pull", "test:good").returncode == 0  # an incomplete one is fetched again
        assert "cannot run" not in mlx("list").stdout
        pulled.unlink()
        run = mlx("run", "test:good", "Hello")
        assert run.returncode == 3 and run.stderr.endswith(f"is missing: {pulled}. Get it again with: mlx pull test:good\n"), run.stderr
        mlx.stop()


def test_on_a_full_disk_a_model_can_be_seen_and_removed(home, sources):
    with small_disk(home / "disk", "1m") as disk:
        mlx = Mlx(disk, MLXR_CATALOGUE=str(sources / "catalogue.json"), no_proxy="*")
        assert mlx("import", sources / "model.gguf", "--name", "mine").returncode == 0
        begin_download(disk / "models/host/big/.partial", "big.gguf", 200_000)
        fill(disk, leave=0)
        assert mlx("list", "-q").stdout.split() == ["mine"]
        assert mlx("show", "mine").returncode == 0
        run = mlx("import", sources / "model.gguf", "--name", "another")
        assert run.returncode == 8 and "disk is full" in run.stderr, run.stderr
        assert mlx("rm", "big").returncode == 0  # an unfinished download
        assert mlx("rm", "mine").returncode == 0
        assert mlx("list", "-q").stdout == ""


def interrupt_while_it_reads(run, file):
    folder = f"/proc/{run.pid}/fd"

    def reads():
        with contextlib.suppress(OSError):
            return any(os.readlink(f"{folder}/{fd}") == str(file) for fd in os.listdir(folder))

    wait_for(lambda: run.poll() is not None or reads())
    run.send_signal(2)
    assert run.wait(60) == 130, run.stderr.read()


def test_control_c_ends_what_hashes_a_large_file(empty, sources):
    big = empty.home / "big.gguf"
    with big.open("wb") as file:
        file.truncate(1 << 38)  # a hole: it takes no room, and minutes to read
    interrupt_while_it_reads(empty.start("import", big), big)
    assert empty("list", "-q").stdout == ""

    model = empty.home / "model.gguf"
    model.write_bytes((sources / "model.gguf").read_bytes())
    assert empty("import", model).returncode == 0
    with model.open("r+b") as file:
        file.truncate(1 << 38)
    interrupt_while_it_reads(empty.start("doctor"), model)


def test_unfinished_and_quarantined_files_are_shown_and_removed(pulling):
    run = pulling("pull", "test:corrupt")
    assert run.returncode == 7
    begin_download(pulling.home / "models/tests/test@big/.partial", "big.gguf", 1000)
    report = pulling("doctor").stdout
    assert "download test:big: 1 kB, not finished" in report and "mlx rm test:big" in report
    assert "corrupt.gguf." in report and "-> Remove it: mlx rm test:corrupt" in report
    assert pulling("rm", "test:big", "test:corrupt").returncode == 0
    assert "not finished" not in pulling("doctor").stdout and not list(pulling.home.rglob("corrupt.gguf*"))


def test_the_date_in_the_list_is_when_a_model_was_added(empty, sources):
    old = empty.home / "old.gguf"
    old.write_bytes((sources / "model.gguf").read_bytes())
    os.utime(old, (981_000_000, 981_000_000))  # 2001
    assert empty("import", old).returncode == 0
    (model,) = empty.json("list")["models"]
    assert "2001" not in str(model)


@pytest.mark.parametrize("name", ["-dash.gguf", "two words.gguf", "\x1b]0;x\a.gguf"])
def test_a_file_whose_name_cannot_be_a_models_needs_another(empty, sources, name):
    file = empty.home / name
    file.write_bytes((sources / "model.gguf").read_bytes())
    run = empty("import", file)
    assert run.returncode == 2 and "--name" in run.stderr and "\x1b" not in run.stderr
    assert empty("import", file, "--name", "fine").returncode == 0
