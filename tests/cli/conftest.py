"""Fixtures of the tests of `mlx`."""

import subprocess
import sys
import time

import pytest
from programs import ROOT, Mlx, new_home


@pytest.fixture
def empty(home):
    """`mlx` in a home of this test's own, without a model."""
    mlx = Mlx(home)
    yield mlx
    mlx.stop()


@pytest.fixture
def own(empty):
    """The same with the starter model, for what happens to its daemon."""
    empty.import_model()
    return empty


@pytest.fixture(scope="session")
def mlx():
    """`mlx` in the home that tests share, with the starter model."""
    with new_home() as folder:
        one = Mlx(folder)
        one.import_model()
        yield one
        one.stop()


@pytest.fixture(scope="session")
def sources():
    """The store's tests' server: a catalogue of tiny models, each from a source with its own manners (tests/store/fixtures.py)."""
    with new_home() as folder, subprocess.Popen([sys.executable, ROOT / "tests" / "store" / "fixtures.py", folder]) as server:
        while not (folder / "catalogue.json").exists():
            assert server.poll() is None
            time.sleep(0.02)
        yield folder
        server.kill()


@pytest.fixture
def pulling(home, sources):
    """`mlx` in a home of this test's own, with that catalogue."""
    base = (sources / "base").read_text()
    mlx = Mlx(home, MLXR_CATALOGUE=str(sources / "catalogue.json"), PIP_INDEX_URL=f"{base}/simple", HF_ENDPOINT=f"{base}/hub", no_proxy="*")
    yield mlx
    mlx.stop()
