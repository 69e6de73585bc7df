"""MLXR_CHANNEL: programs and packages of a channel carry its name in their version, the same everywhere."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
NUMBER = (ROOT / "VERSION").read_text().strip()


def configure(folder, channel):
    return subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", f"-DMLXR_CHANNEL={channel}", "-DMLXR_TESTS=OFF"], capture_output=True, text=True)


@pytest.mark.skipif(sys.platform == "darwin", reason="Linux packages are configured on Linux")
@pytest.mark.parametrize("channel, version", [("stable", NUMBER), ("beta", f"{NUMBER}-beta"), ("nightly", f"{NUMBER}-nightly")])
def test_one_version_everywhere(channel, version, tmp_path):
    done = configure(tmp_path, channel)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "VERSION").read_text().strip() == version
    assert f'kVersion[] = "{version}"' in (tmp_path / "generated/platform/version.h").read_text()
    packages = dict(re.findall(r'set\((CPACK_\w+) "(.*)"\)', (tmp_path / "CPackConfig.cmake").read_text()))
    debian = packages["CPACK_PACKAGE_VERSION"]
    assert f"_{version}_" in packages["CPACK_DEBIAN_PROGRAMS_FILE_NAME"] and f"(= {debian})" in packages["CPACK_DEBIAN_DEV_PACKAGE_DEPENDS"]
    assert subprocess.run(["dpkg", "--compare-versions", debian, "eq" if channel == "stable" else "lt", NUMBER]).returncode == 0
    release = subprocess.run([sys.executable, "-c", "import manifest; print(manifest.load().channel.version)"], cwd=ROOT / "release",
                             env={**os.environ, "MLXR_CHANNEL": channel}, capture_output=True, text=True, check=True)  # fmt: skip
    assert release.stdout.strip() == version


def test_a_channel_that_there_is_not_is_refused(tmp_path):
    done = configure(tmp_path, "weekly")
    assert done.returncode != 0 and "MLXR_CHANNEL is 'weekly', which is no channel of release/manifest.toml." in " ".join(done.stderr.split())
