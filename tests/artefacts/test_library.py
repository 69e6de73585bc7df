"""libmlxrunner-dev and the library's own package: a third-party program is compiled against them, in any folder, and runs a model."""

import os
import pathlib
import subprocess

import pytest
from packages import LIBRARY, ROOT, deb, output

MODEL_FILE = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ROOT / ".deps" / "models")) / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    for name in ("mlxrunner", LIBRARY, "libmlxrunner-dev"):
        subprocess.run(["dpkg-deb", "-x", deb(name), folder], check=True)
    return folder / "usr"


@pytest.mark.parametrize("linked", ["shared", "archive"])
def test_a_program_of_others(prefix, linked):
    if not MODEL_FILE.exists():
        pytest.skip(f"{MODEL_FILE.name} is not there (scripts/setup test)")
    flags = output("pkg-config", "--cflags", "--libs", *(["--static"] if linked == "archive" else []), "mlxrunner_core",
                   env={**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}).split()  # fmt: skip
    if linked == "archive":
        flags = ["-l:libmlxrunner_core.a" if flag == "-lmlxrunner_core" else flag for flag in flags]
    program = prefix / "bin" / linked
    compiled = subprocess.run(["g++", "-std=c++23", "-o", program, ROOT / "tests" / "artefacts" / "consumer.cpp", *flags,
                               f"-Wl,-rpath,{prefix}/lib:{prefix}/lib/mlxrunner"], capture_output=True, text=True)  # fmt: skip
    assert compiled.returncode == 0, compiled.stderr
    assert ("libmlxrunner_core" in output("readelf", "-d", program)) == (linked == "shared")
    kernels, _, answer = output(program, MODEL_FILE).partition(":")
    assert kernels != "mlx" and "four" in answer
    refused = subprocess.run([program, ROOT / "VERSION"], capture_output=True, text=True)
    assert refused.returncode == 1 and "VERSION" in refused.stderr
