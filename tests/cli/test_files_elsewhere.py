"""A model file that the daemon cannot reach by its path: `mlx` opens it and hands it over."""

import io
import json
import os
import shutil
import subprocess
import threading

import hostile_folder
import pexpect
import pytest
from dump_tool import write
from programs import BUILD, MODEL_FILE, Daemon, require_model
from test_exit_codes import Handler, StandIn

ASK = ("Hello", "--max-tokens", "2", "--temperature", "0")
ANYBODY = 65534
# A daemon of this user that may not read what belongs to another: as in a sandbox, `mlx` can open more than its daemon.
WITH_LESS_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def file(tmp_path):
    require_model()
    folder = tmp_path / "of another user"
    folder.mkdir()
    return shutil.copy(MODEL_FILE, folder / "hidden.gguf")


@pytest.fixture
def confined(empty, file):
    """`mlx` whose daemon may not read the folder of `file`."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    os.chown(file.parent, ANYBODY, ANYBODY)
    file.parent.chmod(0o700)
    daemon = Daemon(empty.home).start(WITH_LESS_RIGHTS)
    yield empty, daemon
    daemon.stop()


def test_a_model_runs_from_a_folder_that_the_daemon_cannot_read(confined, file):
    mlx, daemon = confined
    with daemon.client() as client:
        by_path = client.post("/api/generate", json={"model": str(file)})
    assert by_path.status_code in (403, 404), by_path.text
    by_file, by_folder = (mlx.json("run", str(place), *ASK) for place in (file, file.parent))
    assert by_file["response"] == by_folder["response"] != ""
    assert by_file["model"] == str(file)
    assert [model["name"] for model in mlx.json("ps")["models"]] == ["hidden"]
    assert daemon.log().count(" loaded ") == 1
    assert mlx("stop", str(file)).returncode == 0 and mlx.json("ps")["models"] == []


def test_a_model_folder_runs_where_the_daemon_cannot_read_it(confined, file):
    mlx, daemon = confined
    folder = file.parent / "Tiny-Model"
    write(folder, hostile_folder.folder())
    with daemon.client() as client:
        by_path = client.post("/api/generate", json={"model": str(folder)})
    assert by_path.status_code in (403, 404), by_path.text
    assert mlx.json("run", str(folder), *ASK)["model"] == str(folder)
    assert [model["name"] for model in mlx.json("ps")["models"]] == ["Tiny-Model"]
    assert mlx("stop", str(folder)).returncode == 0 and mlx.json("ps")["models"] == []


def test_a_file_is_shown_and_imported_by_mlx_itself(confined, file):
    mlx, _ = confined
    assert mlx.json("show", str(file))["architecture"] == "llama"
    assert mlx("import", str(file), "--name", "hidden").returncode == 0


def test_a_chat_goes_on_with_a_daemon_that_never_had_the_file(empty, file):
    with empty.on_terminal("run", str(file), "--max-tokens", "2", "--verbose") as chat:
        said = chat.logfile_read = io.StringIO()
        chat.expect_exact(">>> ")
        for _ in range(2):
            chat.sendline("Hello")
            chat.expect_exact("tokens/s")
            assert empty("stop").returncode == 0
            empty("run", str(file), *ASK).check_returncode()  # starts another daemon
        chat.sendline("/bye")
        chat.expect(pexpect.EOF)
    assert chat.exitstatus == 0 and "no longer" not in said.getvalue() and "mlx: " not in said.getvalue()


def test_a_deleted_file_is_unloaded_by_its_path(empty, file):
    assert empty("run", str(file), *ASK).returncode == 0
    file.unlink()
    assert empty("stop", str(file)).returncode == 0 and empty.json("ps")["models"] == []
    gone = empty("run", str(file), *ASK)
    assert gone.returncode == 3 and "There is no file" in gone.stderr


def test_the_hash_beside_a_file_is_compared(empty, file):
    beside = file.with_name(file.name + ".sha256")
    beside.write_text("0" * 64 + "  hidden.gguf\n")
    wrong = empty("run", str(file), *ASK)
    assert wrong.returncode == 7 and "hidden.gguf.sha256 says another" in wrong.stderr
    beside.write_text("no hash")
    damaged = empty("run", str(file), *ASK)
    assert damaged.returncode == 7 and "does not begin with a SHA-256" in damaged.stderr


BAD = {"empty.gguf": (7, "is empty"), "pipe.gguf": (13, "is a pipe"), "text.gguf": (13, "is not a GGUF file"), "nosuch.gguf": (3, "There is no file"),
       "folder": (3, "has no .gguf file"), ".": (2, "has 3 .gguf files"), "locked.gguf": (9, "Permission denied")}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_run_is_named(empty, tmp_path, name):
    (tmp_path / "empty.gguf").touch()
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "text.gguf").write_text("text")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    words = [BUILD / "bin" / "mlx", "run", path, *ASK]
    if name == "locked.gguf":
        path.write_text("GGUF")
        path.chmod(0)
        words = WITH_LESS_RIGHTS + words if os.geteuid() == 0 else words
    run = subprocess.run(words, env=empty.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    status, words = BAD[name]
    assert run.returncode == status and words in run.stderr and str(tmp_path) in run.stderr, run.stderr


def test_an_older_daemon_gets_the_path(empty, tmp_path):
    (empty.home / "run").mkdir(mode=0o700)
    file = tmp_path / "model.gguf"
    file.write_text("GGUF")
    socket = Daemon(empty.home).socket
    with StandIn(str(socket), Handler) as server:
        server.status = {"version": empty("--version").stdout.split()[1], "pid": 1}
        server.failure = 200, [{"message": {"content": "Hi"}, "done": True}]
        threading.Thread(target=server.serve_forever).start()
        run = empty("run", str(file), "Hello")
        server.shutdown()
    socket.unlink()
    assert run.stdout == "Hi\n", run.stderr
    path, body = server.asked
    assert path == "/api/chat" and json.loads(body)["model"] == str(file)
