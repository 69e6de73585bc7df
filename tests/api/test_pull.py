"""Models come and go over the API: progress, license, cancelling, kill -9 and resuming. The server is tests/store/fixtures.py."""

import hashlib
import json
import sqlite3
import subprocess
import sys
import time

import httpx
import pytest
from programs import ROOT, Daemon, fill, new_home, small_disk, wait_for


@pytest.fixture(scope="module")
def source():
    with new_home() as folder:
        server = subprocess.Popen([sys.executable, ROOT / "tests" / "store" / "fixtures.py", folder])
        deadline = time.monotonic() + 60
        while not (folder / "catalogue.json").exists():
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield folder
        server.kill()
        server.wait()


@pytest.fixture
def daemon(home, source):
    one = Daemon(home)
    one.environment |= {"MLXR_CATALOGUE": str(source / "catalogue.json"), "PIP_INDEX_URL": (source / "base").read_text() + "/simple", "HF_ENDPOINT": (source / "base").read_text() + "/hub", "no_proxy": "*"}
    one.start()
    yield one
    one.stop()


def pull(client, model, **more):
    with client.stream("POST", "/api/pull", json={"model": model, **more}) as answer:
        return answer.status_code, [json.loads(line) for line in answer.iter_lines()]


def partial(daemon, way):
    return daemon.home / "models" / "tests" / f"test@{way}" / ".partial" / f"{way}.gguf"


def test_progress_then_success_then_delete(daemon, source):
    size = (source / "model.gguf").stat().st_size
    with daemon.client() as client:
        status, lines = pull(client, "test:whole")
        assert status == 200 and lines[-1] == {"status": "success"}
        stages = [line for line in lines if "total" in line]
        assert stages and all(set(line) == {"status", "digest", "total", "completed"} for line in stages)
        assert stages[-1]["total"] == stages[-1]["completed"] == size
        shown = client.post("/api/show", json={"model": "test:whole"}).json()
        assert shown["license"] == "The terms of whole." and shown["template"] == ""
        assert [model["name"] for model in client.get("/api/tags").json()["models"]] == ["test:whole"]
        assert client.request("DELETE", "/api/delete", json={"model": "test:whole"}).status_code == 200
        assert client.get("/api/tags").json() == {"models": []}
        assert client.post("/api/show", json={"model": "test:whole"}).status_code == 404
    assert not (daemon.home / "models" / "tests").exists()


def test_without_a_stream_there_is_one_object(daemon):
    with daemon.client() as client:
        assert client.post("/api/pull", json={"model": "test:good", "stream": False}).json() == {"status": "success"}


def test_the_license_comes_first(daemon):
    with daemon.client() as client:
        status, lines = pull(client, "test:licensed")
        assert status == 403 and "Test-1.0" in lines[0]["error"] and "accept_license" in lines[0]["error"]
        assert not partial(daemon, "licensed").exists()
        assert pull(client, "test:licensed", accept_license=True)[1][-1] == {"status": "success"}


def test_a_corrupt_file_is_told_in_the_stream_and_quarantined(daemon):
    with daemon.client() as client:
        _, lines = pull(client, "test:corrupt")
        assert "corrupt.gguf" in lines[-1]["error"]
        assert client.get("/api/tags").json() == {"models": []}
    assert list((daemon.home / "quarantine").iterdir())


def test_a_path_is_never_pulled(daemon):
    with daemon.client() as client:
        for path in ("/etc/hostname", "../x", "x.gguf", "x://../../etc/hostname", "a\u0000b"):
            assert pull(client, path)[0] == 400, path


def test_a_repository_of_the_hub(daemon):
    with daemon.client() as client:
        _, lines = pull(client, "hf:tests/tiny-gguf")
        assert lines[-1] == {"status": "success"}, lines
        assert any("Chose Q4_K_M" in line["status"] for line in lines)
        assert [model["name"] for model in client.get("/api/tags").json()["models"]] == ["tiny:Q4_K_M"]
        status, lines = pull(client, "hf:tests/halved")
        assert "lacks big-Q4_K_M-00003-of-00003.gguf" in lines[-1]["error"] and status == 400, (status, lines)


def test_a_second_address_with_the_same_file_name_is_not_taken_for_the_first(daemon, source):
    base = (source / "base").read_text()
    with daemon.client() as client:
        assert pull(client, f"{base}/good/model.gguf")[1][-1] == {"status": "success"}
        _, lines = pull(client, f"{base}/other/model.gguf")
        assert "is taken by" in lines[-1]["error"] and f"{base}/good/model.gguf" in lines[-1]["error"], lines


def test_plain_http_needs_a_word(daemon):
    with daemon.client() as client:
        status, lines = pull(client, "http://models.invalid/model.gguf")
        assert status == 400 and "not encrypted" in lines[-1]["error"]
        status, lines = pull(client, "http://models.invalid/model.gguf", insecure=True)
        assert "models.invalid cannot be reached" in lines[-1]["error"]


def begin(daemon, way):
    """A pull whose source has stopped in the middle."""
    connection = daemon.post("/api/pull", {"model": f"test:{way}"})
    wait_for(lambda: partial(daemon, way).exists() and partial(daemon, way).stat().st_size > 400_000)
    return connection


def test_a_client_that_goes_away_cancels_its_pull(daemon):
    begin(daemon, "stalls").close()

    def again():
        with daemon.client() as client:
            return pull(client, "test:stalls")[1][-1]

    # While the first runs, the second is told so.
    wait_for(lambda: "Another process" not in again().get("error", ""))
    assert again() == {"status": "success"}


def test_kill_during_a_pull_then_pull_again(daemon, source):
    with begin(daemon, "killed"):
        daemon.process.kill()
        daemon.process.wait()
    assert partial(daemon, "killed").stat().st_size > 400_000
    daemon.start()
    with daemon.client() as client:
        assert pull(client, "test:killed")[1][-1] == {"status": "success"}
    assert httpx.get((source / "base").read_text() + "/ranges/killed", trust_env=False).json()[1].startswith("bytes=")


def test_a_disk_without_room_is_said_before_a_byte_is_fetched(daemon):
    with small_disk(daemon.home / "models", "2m") as disk, daemon.client() as client:
        fill(disk, leave=500_000)
        status, lines = pull(client, "test:good")
        assert status == 507 and lines[-1]["code"] == "no_space"
        assert "needs 1.1 MB" in lines[-1]["error"] and "are free" in lines[-1]["error"]
        assert not partial(daemon, "good").parent.exists()
        (disk / "filler").unlink()
        assert pull(client, "test:good")[1][-1] == {"status": "success"}


def test_a_disk_that_fills_up_during_a_pull(daemon, source):
    with small_disk(daemon.home / "models", "3m") as disk, daemon.client() as client:
        with client.stream("POST", "/api/pull", json={"model": "test:fills"}) as answer:
            wait_for(lambda: partial(daemon, "fills").exists() and partial(daemon, "fills").stat().st_size > 400_000)
            fill(disk, leave=0)
            (source / "go-on").touch()
            last = json.loads(list(answer.iter_lines())[-1])
        assert last["code"] == "no_space" and "fills.gguf" in last["error"], last
        assert client.get("/api/tags").json() == {"models": []}
        arrived = partial(daemon, "fills").stat().st_size
        (disk / "filler").unlink()
        assert pull(client, "test:fills")[1][-1] == {"status": "success"}
        assert client.get("/api/tags").json()["models"][0]["digest"] == hashlib.sha256((source / "model.gguf").read_bytes()).hexdigest()
    ranges = httpx.get((source / "base").read_text() + "/ranges/fills", trust_env=False).json()
    assert ranges == [None, f"bytes={arrived}-"]


def test_a_registry_of_a_newer_version_is_refused_and_not_touched(home):
    one = Daemon(home).start()
    assert one.stop() == 0
    registry = home / "registry.sqlite"
    with sqlite3.connect(registry) as database:
        database.execute("INSERT INTO schema_version VALUES (99, 'later')")
    database.close()
    before = {path.name: path.read_bytes() for path in home.glob("registry.sqlite*")}
    status, said = Daemon(home).run_to_end()
    assert status == 1 and "newer MLXR (schema 99" in said and "Nothing was changed" in said
    assert {path.name: path.read_bytes() for path in home.glob("registry.sqlite*")} == before
