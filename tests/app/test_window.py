"""`mlxr`, the window for Linux, on a virtual display (Xvfb): what its page shows, as `mlxr --check` prints it, and what its buttons do."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import httpx
import pytest
from programs import BUILD, MODEL, Daemon, Mlx

MLXR = BUILD / "bin" / "mlxr"

pytestmark = [
    pytest.mark.skipif(not MLXR.exists(), reason="mlxr is not built: `scripts/setup app`, then build again"),
    pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed: run `scripts/setup app`"),
]


@pytest.fixture(scope="module")
def display():
    reader, writer = os.pipe()
    with subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-nolisten", "tcp", "-screen", "0", "1100x900x24"], pass_fds=[writer],
                          stderr=subprocess.DEVNULL) as server:  # fmt: skip
        os.close(writer)
        with os.fdopen(reader) as number:
            yield ":" + number.readline().strip()
        server.terminate()


@pytest.fixture
def environment(display, home):
    """GTK on that display, whatever desktop the test runs on."""
    rest = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"}
    return {**rest, "DISPLAY": display, "GDK_BACKEND": "x11", "GTK_A11Y": "none", "MLXR_HOME": str(home)}


def check(environment, program=MLXR):
    return subprocess.run([program, "--check"], env=environment, capture_output=True, text=True, timeout=120)


def shown(environment):
    run = check(environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_without_a_daemon(environment, home):
    page = shown(environment)
    assert page["state"] == "Not running" and page["button"] == "Start"
    assert page["socket"] == str(home / "run" / "mlxrunner.sock")
    assert page["models"] == [] and page["kernels"] == "" and page["problem"] == ""
    assert not (home / "run").exists()  # looking starts nothing


def test_with_a_daemon(environment, empty_daemon):
    with empty_daemon.client() as client:
        status = client.get("/mlxr/status").json()
    page = shown(environment)
    assert page["state"] == "Running" and page["button"] == "Stop"
    assert f"mlxrunnerd {status['version']}" in page["detail"] and f"process {status['pid']}" in page["detail"]
    assert page["app"] == f"Version {status['version']}"
    assert page["kernels"] == status["kernels"]["variant"] and page["threads"].startswith(str(status["kernels"]["threads"]))
    assert page["models"] == [] and "mlx pull" in page["empty"]


def test_the_models_on_disk_and_in_memory(environment, own_daemon):
    page = shown(environment)
    assert page["models"] == [{"name": MODEL, "place": "On disk"}] and page["modelCount"] == "1 on this machine, 0 in memory"
    with own_daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL, "prompt": "Hello", "stream": False, "options": {"num_predict": 1}}).raise_for_status()
    (model,) = shown(environment)["models"]
    assert model["name"] == MODEL and model["place"].startswith("In memory")


def test_a_socket_where_nobody_listens(environment, empty_daemon):
    empty_daemon.process.kill()
    empty_daemon.process.wait()
    assert empty_daemon.socket.exists() and shown(environment)["state"] == "Not running"


def test_a_daemon_that_breaks_off_is_named_and_not_called_stopped(environment, home):
    (home / "run").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "run" / "mlxrunner.sock"))
        listener.listen()
        with subprocess.Popen([MLXR, "--check"], env=environment, stdout=subprocess.PIPE, text=True) as window:
            listener.accept()[0].close()
            page = json.loads(window.stdout.read())
            assert page["state"] == "Unknown" and "mlx logs" in page["problem"]


@contextlib.contextmanager
def open_window(environment):
    with subprocess.Popen([MLXR], env=environment, stderr=subprocess.DEVNULL) as window:
        try:
            search = ["xdotool", "search", "--sync", "--onlyvisible", "--pid", str(window.pid)]
            subprocess.run(search, env=environment, stdout=subprocess.DEVNULL, timeout=60, check=True)
            yield window
        finally:
            window.send_signal(signal.SIGTERM)


def answers(home):
    with contextlib.suppress(httpx.HTTPError), Daemon(home).client() as client:
        return client.get("/api/version").is_success
    return False


@pytest.mark.skipif(not shutil.which("xdotool"), reason="xdotool is not installed: run `scripts/setup app`")
def test_start_and_stop(environment, home):
    def click_until(condition):  # Start and Stop lie at the same place; while one is on its way the button does nothing
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "no click had that effect within a minute"
            subprocess.run(["xdotool", "mousemove", "778", "130", "click", "1"], env=environment, check=True)
            patience = time.monotonic() + 3
            while not condition() and time.monotonic() < patience:
                time.sleep(0.02)

    try:
        with open_window(environment):
            click_until(lambda: answers(home))
            click_until(lambda: not Daemon(home).socket.exists())
            click_until(lambda: answers(home))
        assert answers(home)  # closing the window stops nothing
    finally:
        Mlx(home).stop()


@pytest.fixture
def copied(tmp_path):
    """A copy of the program, without a page."""
    program = tmp_path / "bin" / "mlxr"
    program.parent.mkdir()
    shutil.copy(MLXR, program)
    return program


def test_without_its_page(environment, copied):
    run = check(environment, copied)
    assert run.returncode == 1 and str(copied.parents[1] / "share" / "mlxrunner" / "ui") in run.stderr


# What a page that means harm might try, in place of the real script. It stays where it is, and nobody hears of it.
HOSTILE = """
const outcome = async (attempt) => { try { return String(await attempt()); } catch (error) { return error.name; } };
const elsewhere = "http://127.0.0.1:PORT/";
const image = new Image();
image.src = elsewhere;
location.href = elsewhere;
const state = {
  fetched: await outcome(() => fetch(elsewhere)),
  opened: await outcome(() => window.open(elsewhere)),
  evaluated: await outcome(() => eval("1 + 1")),
  outside: await outcome(async () => (await fetch("mlxr://app/../../bin/mlxr")).status),
};
const ask = (method, params) => window.webkit.messageHandlers.mlxr.postMessage(JSON.stringify({ id: 1, method, params }));
state.shutdown = JSON.parse(await ask("daemon.request", { method: "POST", path: "/mlxr/shutdown", body: {} })).error.message;
setTimeout(() => ask("page.ready", { ...state, address: location.href }), 500);
"""


def test_the_page_can_go_nowhere_else(environment, copied):
    page = copied.parents[1] / "share" / "mlxrunner" / "ui"
    shutil.copytree(BUILD / "share" / "mlxrunner" / "ui", page)
    with socket.create_server(("127.0.0.1", 0)) as server:
        (page / "app.js").write_text(HOSTILE.replace("PORT", str(server.getsockname()[1])))
        run = check(environment, copied)
        assert run.returncode == 0, run.stderr
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    state = json.loads(run.stdout)
    assert state.pop("shutdown").endswith("POST /mlxr/shutdown.")
    assert state == {"address": "mlxr://app/index.html", "evaluated": "EvalError", "fetched": "TypeError", "opened": "null", "outside": "TypeError"}


# A page that follows an address of its own that is not there, and then says that it is still shown.
LOST = """
const ask = (method, params) => window.webkit.messageHandlers.mlxr.postMessage(JSON.stringify({ id: 1, method, params }));
setTimeout(() => { location.href = "missing.html"; }, 0);
setTimeout(() => ask("page.ready", { address: location.href }), 500);
"""


def test_an_address_that_cannot_be_loaded_leaves_the_page_as_it_is(environment, copied):
    page = copied.parents[1] / "share" / "mlxrunner" / "ui"
    shutil.copytree(BUILD / "share" / "mlxrunner" / "ui", page)
    (page / "app.js").write_text(LOST)
    run = check(environment, copied)
    assert run.returncode == 0 and json.loads(run.stdout) == {"address": "mlxr://app/index.html"}, run.stderr


# As the page has it on a Mac, whose program keeps folders that the user chose: another end of the bridge stands for that program.
MAC = """
const answers = {
  "app.info": { version: "1", platform: "macos" },
  "daemon.status": { running: false, socket: "", log: "", daemon: null },
  "folders.list": [{ path: "/Models", files: [{ path: "/Models/a.gguf", size: 3e9 }] }, { path: "/Away", problem: "Cannot read the folder /Away" }],
};
export async function call(method, params) {
  if (method !== "page.ready") return answers[method];
  const folders = [...document.querySelectorAll("#folders li")].map((row) => [row.querySelector(".name").textContent, row.querySelector(".facts").textContent]);
  return window.webkit.messageHandlers.mlxr.postMessage(JSON.stringify({ id: 1, method, params: { folders } }));
}
"""


def test_folders_that_the_user_chose(environment, copied):
    page = copied.parents[1] / "share" / "mlxrunner" / "ui"
    shutil.copytree(BUILD / "share" / "mlxrunner" / "ui", page)
    with (page / "bridge.js").open() as file:
        get = file.read().partition("// The body of one GET")[2]
    (page / "bridge.js").write_text(MAC + "//" + get)
    run = check(environment, copied)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"folders": [["/Models", "1 model · 3.0 GB"], ["/Away", "Cannot read the folder /Away"]]}


def test_without_a_display(environment):
    run = check({**environment, "DISPLAY": ":none"})
    assert run.returncode == 1 and "No display can be opened" in run.stderr


def test_unknown_words_are_refused(environment):
    run = subprocess.run([MLXR, "--chekc"], env=environment, capture_output=True, text=True)
    assert run.returncode != 0 and "--chekc" in run.stderr
    version = subprocess.run([MLXR, "--version"], capture_output=True, text=True).stdout
    assert version == f"mlxr {Mlx('/').json('version')['version']}\n"
