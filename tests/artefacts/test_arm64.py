"""The arm64 archive answers, under qemu on other machines: its daemon and command as shipped, with the libraries that they were linked with."""

import os
import platform
import signal
import subprocess

from packages import VERSION, emulator, tarball
from programs import MODEL, MODEL_FILE, new_home, require_model, wait_for


def test_it_answers(tmp_path):
    require_model()
    subprocess.run(["tar", "--zstd", "-C", tmp_path, "-xf", tarball("arm64")], check=True)
    programs = tmp_path / f"mlxrunner-{VERSION}-linux-aarch64" / "bin"
    runner = [] if platform.machine() == "aarch64" else emulator("arm64")
    with new_home() as home:
        environment = {**os.environ, "MLXR_HOME": str(home)}

        def mlx(*words):
            return subprocess.run([*runner, programs / "mlx", *words], env=environment, capture_output=True, text=True, check=True, timeout=300).stdout

        daemon = subprocess.Popen([*runner, programs / "mlxrunnerd"], env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_for((home / "run" / "mlxrunner.sock").exists)
            mlx("import", MODEL_FILE, "--name", MODEL)
            assert "computer" in mlx("run", MODEL, "Explain what a computer is in one sentence.", "--temperature", "0", "--max-tokens", "8")
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(60) == 0
