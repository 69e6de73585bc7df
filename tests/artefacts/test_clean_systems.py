"""The packages as users have them: in a minimal Debian or Ubuntu, an ordinary user gets an answer, and MLXR can be removed completely."""

import os
import pathlib
import subprocess

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


def use(system, mlx="mlx"):
    """What a new user does, and what must then be so."""
    assert "llama, 135M parameters" in system.as_ada(mlx, "import", f"{HOME}/starter.gguf", "--name", "smollm2:135m")
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


def test_a_debian_package(system):
    package = deb("mlxrunner")
    put_model(system)
    system.install(package)
    before = system.files_of_ada()
    assert f"mlx {VERSION}" in system.as_ada("mlx", "--version")
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
    use(system, mlx)
    advice = system.as_ada(mlx, "uninstall", "--yes", "--models")
    assert f"{HOME}/My Programs/mlxrunner-{VERSION}-linux-x86_64" in advice
    assert system.files_of_ada() == before
