"""The packages as users have them: in a minimal Debian or Ubuntu, an ordinary user gets an answer, and MLXR can be removed completely."""

import http.server
import os
import pathlib
import re
import subprocess
import threading

import pytest
from clean_system import HOME, CleanSystem
from packages import DEBIAN_VERSION, ROOT, VERSION, deb, field, tarball

MODEL_FILE = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ROOT / ".deps" / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"
pytestmark = pytest.mark.skipif(not MODEL_FILE.exists(), reason=f"{MODEL_FILE.name} is not there (scripts/setup test)")


@pytest.fixture(params=["bookworm", "trixie", "noble"])
def system(request):
    one = CleanSystem(request.param)
    yield one
    one.close()


class Hub(http.server.SimpleHTTPRequestHandler):
    """The model hub, with one file in it, at the address that MLXR's own catalogue names."""

    def translate_path(self, path):
        return str(MODEL_FILE) if path.startswith("/QuantFactory/") and path.endswith(f"/{MODEL_FILE.name}") else "/nonexistent"

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    """Its address: a minimal system shares this machine's loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def pull(system, hub):
    """The download of a first `mlx run`, without a terminal to ask on. It needs nothing but the package, and above all no pip."""
    assert list(system.path("/usr/bin").glob("pip*")) == []
    system.as_ada("env", f"HF_ENDPOINT={hub}", "mlx", "pull", "smollm2:135m", "--accept-license")
    assert re.search(r"^smollm2:135m .* 98\.4 MB ", system.as_ada("mlx", "list"), re.M)


def use(system, mlx="mlx"):
    """What a new user does, and what must then be so."""
    ask(system, mlx)
    doctor = system.as_ada(mlx, "doctor")
    assert "All is well." in doctor, doctor
    assert "kernels: mlx" not in doctor
    installed = system.as_ada(mlx, "doctor", "--install")
    assert ("All is well." if mlx == "mlx" else "PATH: finds no mlx") in installed, installed


def ask(system, mlx="mlx"):
    answer = system.as_ada(mlx, "run", "smollm2:135m", "Explain what a computer is in one sentence.", "--temperature", "0", "--max-tokens", "20")
    assert "computer" in answer


def put_model(system):
    return system.put(MODEL_FILE, f"{HOME}/starter.gguf")


def import_model(system, mlx="mlx"):
    assert "llama, 135M parameters" in system.as_ada(mlx, "import", f"{HOME}/starter.gguf", "--name", "smollm2:135m")


def test_a_debian_package(system, hub):
    package = deb("mlxrunner")
    system.install(package)
    before = system.files_of_ada()
    assert f"mlx {VERSION}" in system.as_ada("mlx", "--version")
    pull(system, hub)
    use(system)
    assert system.files_of_ada() != before
    assert "package: every file is unchanged since dpkg installed it" in system.as_ada("mlx", "doctor", "--install")
    system.path("/usr/share/mlxrunner/server.yaml").write_text("port: 1\n")
    assert "package: /usr/share/mlxrunner/server.yaml has changed since dpkg installed it" in system.as_ada("mlx", "doctor", "--install", status=1)
    shown = system.as_ada("mlx", "uninstall", "--dry-run")
    assert "registry.sqlite" in shown and "apt remove mlxrunner" in shown
    system.as_ada("mlx", "uninstall", "--yes", "--models")
    assert system.files_of_ada() == before
    system.as_root("apt-get", "purge", "-q", "-y", "mlxrunner")
    assert [file for folder in ("/etc", "/usr", "/opt", "/home", "/run") for file in system.path(folder).rglob("*mlx*")] == []


def test_an_upgrade_keeps_the_data(system, tmp_path):
    package = deb("mlxrunner")
    # The same programs under an older number: what is looked at is what dpkg and the data's owner do.
    cpack = subprocess.run(["cpack", "--config", ROOT / "build" / "release" / "CPackConfig.cmake", "-G", "DEB", "-B", tmp_path, "-D", "CPACK_PACKAGE_VERSION=0.0.9",
                            "-D", "CPACK_COMPONENTS_ALL=programs"], env={**os.environ, "SOURCE_DATE_EPOCH": "1"}, capture_output=True, text=True)  # fmt: skip
    assert cpack.returncode == 0, cpack.stdout + cpack.stderr
    put_model(system)
    system.install(next(tmp_path.glob("*.deb")))
    import_model(system)
    use(system)
    system.install(package)
    assert system.as_root("dpkg-query", "-W", "-f=${Version}", "mlxrunner") == field(package, "Version") == DEBIAN_VERSION
    ask(system)  # of the daemon that ran through it
    system.as_ada("mlx", "stop")
    assert "smollm2:135m" in system.as_ada("mlx", "list")
    ask(system)
    system.as_ada("mlx", "stop")


def test_an_archive_in_a_folder_of_any_name(system):
    archive = tarball()
    put_model(system)
    system.apt_install(*(one.split()[0] for one in field(deb("mlxrunner"), "Depends").split(", ")))
    folder = system.path(f"{HOME}/My Programs")
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", archive], check=True)
    before = system.files_of_ada()
    mlx = f"{HOME}/My Programs/mlxrunner-{VERSION}-linux-x86_64/bin/mlx"
    import_model(system, mlx)
    use(system, mlx)
    advice = system.as_ada(mlx, "uninstall", "--yes", "--models")
    assert f"{HOME}/My Programs/mlxrunner-{VERSION}-linux-x86_64" in advice
    assert system.files_of_ada() == before
