"""A client opens a model file and hands its descriptor to the daemon over the Unix socket (POST /mlxr/open)."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import resource
import shutil
import socket

import hostile_folder
import httpx
import pytest
from dump_tool import write
from programs import MODEL_FILE, Daemon, Mlx, require_model, wait_for
from test_life import free_port
from test_models_in_memory import ask, bytes_read


def open_with(daemon, descriptors, body=None):
    """The status and the JSON of a POST /mlxr/open that these descriptors come with."""
    text = json.dumps(body or {}).encode()
    head = f"POST /mlxr/open HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    with daemon.raw() as connection:
        socket.send_fds(connection, [head + text], descriptors)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(rest)


def open_file(daemon, path, flags=os.O_RDONLY, **body):
    descriptor = os.open(path, flags)
    try:
        return open_with(daemon, [descriptor], body)
    finally:
        os.close(descriptor)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def generate(client, model):
    return client.post("/api/generate", json={"model": model, "prompt": "Hi", "stream": False, "options": {"num_predict": 1}})


@pytest.fixture
def model_copy(tmp_path):
    require_model()
    copy = tmp_path / "secret place" / "copy.gguf"
    copy.parent.mkdir()
    shutil.copy(MODEL_FILE, copy)
    return copy


def test_a_file_answers_without_its_path(empty_daemon, model_copy):
    status, opened = open_file(empty_daemon, model_copy, name="copy.gguf")
    assert status == 200 and opened["size"] == model_copy.stat().st_size
    model_copy.unlink()  # the daemon could not find it any more
    with empty_daemon.client() as client:
        answer = generate(client, opened["model"])
        assert answer.status_code == 200, answer.text
        assert [model["name"] for model in client.get("/api/ps").json()["models"]] == ["copy"]


def test_the_same_file_keeps_its_reference_and_loads_once(empty_daemon, model_copy):
    first, second = (open_file(empty_daemon, model_copy)[1]["model"] for _ in range(2))
    assert first == second
    with empty_daemon.client() as client:
        assert generate(client, first).status_code == generate(client, str(model_copy)).status_code == 200
    assert empty_daemon.log().count(" loaded ") == 1


def test_a_hash_is_remembered_by_the_next_daemon(empty_daemon, model_copy):
    def read_to_show():
        _, opened = open_file(empty_daemon, model_copy, name=str(model_copy))
        before = bytes_read(empty_daemon)
        with empty_daemon.client() as client:
            client.post("/api/show", json={"model": opened["model"]}).raise_for_status()
        return bytes_read(empty_daemon) - before

    size = model_copy.stat().st_size
    assert read_to_show() > size
    empty_daemon.stop()
    empty_daemon.start()
    assert read_to_show() < size / 2


@pytest.fixture
def large(model_copy):
    """A file that takes a second to hash, and no more disk than the model in it."""
    os.truncate(model_copy, 1 << 30)
    return model_copy


def test_clients_who_hand_over_one_file_share_its_hash(empty_daemon, large):
    before = bytes_read(empty_daemon)

    def show():
        _, opened = open_file(empty_daemon, large)
        with empty_daemon.client() as client:
            return client.post("/api/show", json={"model": opened["model"]}).status_code

    with concurrent.futures.ThreadPoolExecutor() as clients:
        assert list(clients.map(lambda _: show(), range(4))) == [200] * 4
    assert bytes_read(empty_daemon) - before < 1.5 * large.stat().st_size


def test_a_file_that_changes_while_it_is_hashed_is_refused(empty_daemon, large):
    before = bytes_read(empty_daemon)
    _, opened = open_file(empty_daemon, large, name="large.gguf")
    with ask(empty_daemon, opened["model"]) as client:
        wait_for(lambda: bytes_read(empty_daemon) > before + (16 << 20))
        with open(large, "r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(b"more")
        answer = client.recv(65536)
    assert b"large.gguf changed while it was verified" in answer


def test_a_file_that_was_changed_is_opened_anew(empty_daemon, model_copy):
    _, opened = open_file(empty_daemon, model_copy)
    with open(model_copy, "ab") as file:
        file.write(b"more")
    with empty_daemon.client() as client:
        refused = generate(client, opened["model"])
    assert refused.status_code == 404 and "Open it again" in refused.json()["error"]
    assert open_file(empty_daemon, model_copy)[1]["model"] != opened["model"]


def test_a_moved_file_keeps_its_reference_and_a_change_is_noticed_though_its_time_was_set_back(empty_daemon, model_copy):
    _, opened = open_file(empty_daemon, model_copy)
    with empty_daemon.client() as client:
        assert generate(client, opened["model"]).status_code == 200
        moved = model_copy.rename(model_copy.with_name("moved.gguf"))
        assert generate(client, opened["model"]).status_code == 200
        before = moved.stat()
        with open(moved, "r+b") as file:
            file.write(b"XXXX")
        os.utime(moved, ns=(before.st_atime_ns, before.st_mtime_ns))
        refused = generate(client, opened["model"])
    assert refused.status_code == 400 and "GGUF" in refused.json()["error"], refused.text


def test_a_hash_that_the_client_expects_is_compared(empty_daemon, model_copy):
    right = hashlib.sha256(model_copy.read_bytes()).hexdigest()
    answers = []
    with empty_daemon.client() as client:
        for expected in (right, "0" * 64):
            _, opened = open_file(empty_daemon, model_copy, name="copy.gguf", sha256=expected)
            answers.append(generate(client, opened["model"]))
    assert answers[0].status_code == 200
    assert answers[1].json()["code"] == "corrupt" and right in answers[1].json()["error"]
    assert open_file(empty_daemon, model_copy, sha256="ABC")[0] == 400


def test_a_name_is_a_label_and_no_path(empty_daemon, model_copy, tmp_path):
    other = tmp_path / "other.gguf"
    other.write_text("no model")
    _, opened = open_file(empty_daemon, model_copy, name=str(other))
    with empty_daemon.client() as client:
        assert generate(client, opened["model"]).status_code == 200
        shown = client.post("/api/show", json={"model": opened["model"]}).json()
        assert shown["template"] and str(other) in shown["modelfile"]
        assert [model["name"] for model in client.get("/api/ps").json()["models"]] == ["other"]
        assert client.get("/v1/models").json()["data"] == []
        assert client.post("/api/generate", json={"model": opened["model"], "keep_alive": 0}).json()["done_reason"] == "unload"
        assert client.get("/api/ps").json()["models"] == []
    for name in ("", "a" * 5000, "a\nb", "\x1b[2J"):
        status, answer = open_file(empty_daemon, model_copy, name=name)
        assert (status, answer["code"]) == (400, "invalid_value"), name


NOT_A_FILE = [
    ("a folder", "folder"),
    ("a pipe", "pipe"),
    ("a socket", "socket"),
    ("a device", "/dev/zero"),
    ("empty", "empty"),
]


@pytest.mark.parametrize(("kind", "name"), NOT_A_FILE)
def test_what_is_no_regular_file_is_refused_by_its_kind(empty_daemon, tmp_path, kind, name):
    path = tmp_path / name
    one = socket.socket(socket.AF_UNIX)
    if name == "folder":
        path.mkdir()
    elif name == "pipe":
        os.mkfifo(path)
    elif name == "empty":
        path.touch()
    descriptor = one.fileno() if name == "socket" else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    status, answer = open_with(empty_daemon, [descriptor], {"name": "my.gguf"})
    one.close()
    if name != "socket":
        os.close(descriptor)
    assert (status, answer["code"]) == (400, "invalid_descriptor")
    assert "my.gguf" in answer["error"] and kind in answer["error"]


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_WRONLY, os.O_PATH])
def test_only_a_descriptor_for_reading_is_taken(empty_daemon, tmp_path, flags):
    text = tmp_path / "file"
    text.write_text("text")
    status, answer = open_file(empty_daemon, text, flags)
    assert (status, answer["code"]) == (400, "invalid_descriptor")


def test_one_descriptor_comes_with_a_request(empty_daemon, tmp_path):
    text = tmp_path / "file"
    text.write_text("text")
    with open(text, "rb") as file:
        refusals = [open_with(empty_daemon, [file.fileno()] * count) for count in (0, 2, 3, 253)]
    assert [status for status, _ in refusals] == [400] * 4
    assert "No descriptor" in refusals[0][1]["error"] and all("More than one" in answer["error"] for _, answer in refusals[1:])
    with empty_daemon.client() as client:
        unknown = generate(client, "open@0123")
    assert unknown.status_code == 404 and "no longer" in unknown.json()["error"]


@pytest.fixture
def folder(tmp_path):
    """A model folder, and its files' names."""
    write(tmp_path / "Tiny-Model", hostile_folder.folder())
    return tmp_path / "Tiny-Model"


def open_folder(daemon, folder, names=None, **body):
    names = sorted(file.name for file in folder.iterdir()) if names is None else names
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(folder / name, "rb")) for name in names]
        return open_with(daemon, [file.fileno() for file in files], {"name": str(folder), "files": names, **body})


def test_a_folder_answers_without_its_path_and_keeps_its_reference(empty_daemon, folder):
    size = sum(file.stat().st_size for file in folder.iterdir())
    references = set()
    for _ in range(2):
        status, opened = open_folder(empty_daemon, folder)
        assert status == 200 and opened["size"] == size
        references.add(opened["model"])
    assert len(references) == 1
    shutil.rmtree(folder)  # the daemon could not find it any more
    with empty_daemon.client() as client:
        assert generate(client, opened["model"]).status_code == 200
        assert client.post("/api/show", json={"model": opened["model"]}).json()["details"]["family"] == "llama"
        assert [model["name"] for model in client.get("/api/ps").json()["models"]] == ["Tiny-Model"]


def test_every_file_of_a_folder_is_looked_at_for_changes(empty_daemon, folder):
    for name in ("config.json", "model.safetensors"):
        _, opened = open_folder(empty_daemon, folder)
        with empty_daemon.client() as client:
            assert generate(client, opened["model"]).status_code == 200
            with open(folder / name, "ab") as file:
                file.write(b" ")
            refused = generate(client, opened["model"])
        assert refused.status_code == 404 and "Tiny-Model was changed after it was opened" in refused.json()["error"]
    _, opened = open_folder(empty_daemon, folder)
    with empty_daemon.client() as client:
        assert "model.safetensors" in generate(client, opened["model"]).json()["error"]  # what it is now is damaged


def test_the_files_of_a_folder_have_the_names_that_the_client_says(empty_daemon, folder):
    _, opened = open_folder(empty_daemon, folder)
    config, weights = folder / "config.json", folder / "model.safetensors"
    config.rename(folder / "other")
    weights.rename(config)
    (folder / "other").rename(weights)
    _, exchanged = open_folder(empty_daemon, folder)
    with empty_daemon.client() as client:
        assert generate(client, opened["model"]).status_code == 200
        assert "config.json" in generate(client, exchanged["model"]).json()["error"]


@pytest.mark.parametrize("names", [[""], ["."], [".."], ["a/b"], ["/etc/passwd"], ["a\n"], ["a" * 256], [7], [None], ["a", "a"], []])
def test_a_name_of_a_file_is_no_path(empty_daemon, names):
    status, answer = open_with(empty_daemon, [], {"files": names})
    assert (status, answer["code"]) == (400, "invalid_value") and "\"files\"" in answer["error"]


def test_a_folder_comes_with_a_descriptor_for_each_file(empty_daemon, folder):
    names = sorted(file.name for file in folder.iterdir())
    with open(folder / "config.json", "rb") as file:
        one = file.fileno()
        few, many, pipe = (open_with(empty_daemon, files, {"files": names}) for files in ([one] * 2, [one] * 4, [one, one, os.pipe()[0]]))
    assert few[0] == many[0] == pipe[0] == 400
    assert "2 descriptors came with the request" in few[1]["error"] and "More than 3" in many[1]["error"]
    assert "is a pipe" in pipe[1]["error"]
    status, answer = open_folder(empty_daemon, folder, sha256="0" * 64)
    assert status == 400 and "sha256" in answer["error"]


def test_a_large_folder_comes_with_one_request(empty_daemon, tmp_path):
    names = [f"{i}.safetensors" for i in range(247)]
    index = {"weight_map": {f"tensor_{name}": name for name in names}}
    files = {name: hostile_folder.filled({f"tensor_{name}": ("F32", (1,))}) for name in names}
    write(tmp_path / "many", hostile_folder.folder(without=["model.safetensors"], model__safetensors__index__json=index) | files)
    status, opened = open_folder(empty_daemon, tmp_path / "many")
    assert status == 200, opened
    with empty_daemon.client() as client:
        refused = generate(client, opened["model"])
    assert "the tensor 'tensor_" in refused.json()["error"]  # all files were there


def test_a_daemon_without_free_descriptors_says_so(home, tmp_path):
    text = tmp_path / "file"
    text.write_text("text")
    one = Daemon(home).start()
    used = max(int(number) for number in os.listdir(f"/proc/{one.process.pid}/fd"))
    before = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (used + 4, before[1]))
    with open(text, "rb") as file:
        status, answer = open_with(one, [file.fileno()] * 20)
    assert status == 400 and "Not all descriptors arrived" in answer["error"]
    resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, before)
    with open(text, "rb") as file:
        assert open_with(one, [file.fileno()])[0] == 200
    assert one.stop() == 0


def test_a_flood_of_descriptors_leaves_few_open(empty_daemon, tmp_path):
    before = descriptors(empty_daemon)
    for i in range(100):
        file = tmp_path / f"{i}.gguf"
        file.write_bytes(b"GGUF")
        with open(file, "rb") as one:
            assert open_with(empty_daemon, [one.fileno()])[0] == 200
            assert open_with(empty_daemon, [one.fileno()] * 200)[0] == 400
    with empty_daemon.client() as client, open(tmp_path / "1.gguf", "rb") as one, empty_daemon.raw() as connection:
        socket.send_fds(connection, [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"], [one.fileno()] * 50)  # a route that wants none
        assert connection.recv(12) == b"HTTP/1.1 200"
        client.get("/api/version")
    wait_for(lambda: descriptors(empty_daemon) <= before + 16 + 4)  # 16 files are kept


def test_over_tcp_a_file_can_neither_be_opened_nor_named(home, model_copy):
    port = free_port()
    one = Daemon(home, f"port: {port}\n").start()
    token = Mlx(home)("token", "show").stdout.strip()
    _, opened = open_file(one, model_copy)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}) as client:
        refused = client.post("/mlxr/open", json={})
        assert refused.status_code == 403 and "Unix socket" in refused.json()["error"]
        for request in (generate(client, opened["model"]), client.post("/api/show", json={"model": opened["model"]})):
            assert request.status_code == 400 and "Unix socket" in request.json()["error"]
    assert one.stop() == 0
