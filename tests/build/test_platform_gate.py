"""A target that MLXR cannot run on is refused while configuring, before anything is compiled."""
import pathlib
import subprocess

import pytest

GATE = pathlib.Path(__file__).parents[2] / "cmake" / "platform_gate.cmake"


def gate(system, processor, osx_architectures=""):
    apple = "ON" if system == "Darwin" else "OFF"
    return subprocess.run(
        ["cmake", f"-DAPPLE={apple}", f"-DCMAKE_SYSTEM_NAME={system}", f"-DCMAKE_SYSTEM_PROCESSOR={processor}",
         f"-DCMAKE_OSX_ARCHITECTURES={osx_architectures}", "-P", GATE], capture_output=True, text=True)


@pytest.mark.parametrize("system, processor", [("Darwin", "arm64"), ("Linux", "x86_64"), ("Linux", "aarch64")])
def test_supported_targets_pass(system, processor):
    result = gate(system, processor)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("architectures", ["", "x86_64", "arm64;x86_64"])
def test_intel_macs_are_refused(architectures):
    result = gate("Darwin", "x86_64", architectures)
    assert result.returncode != 0
    assert "Apple Silicon only" in result.stderr


def test_an_arm64_build_on_an_intel_mac_passes():
    assert gate("Darwin", "x86_64", "arm64").returncode == 0


@pytest.mark.parametrize("system, processor", [("Windows", "AMD64"), ("FreeBSD", "x86_64"), ("Linux", "riscv64")])
def test_other_systems_are_refused_by_name(system, processor):
    result = gate(system, processor)
    assert result.returncode != 0
    assert f"not on {system} {processor}" in " ".join(result.stderr.split())
