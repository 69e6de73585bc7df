"""Fixtures that the tests of the programs share."""

import pytest
from programs import Daemon, Mlx, new_home


@pytest.fixture
def home():
    with new_home() as folder:
        yield folder


@pytest.fixture
def empty_daemon(home):
    """A daemon of this test's own, without a model."""
    one = Daemon(home).start()
    yield one
    one.stop()


@pytest.fixture
def own_daemon(home):
    """A daemon of this test's own, with the model, to be stopped or killed."""
    Mlx(home).import_model()
    one = Daemon(home).start()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def daemon():
    """The daemon that tests share, with the model."""
    with new_home() as folder:
        Mlx(folder).import_model()
        one = Daemon(folder).start()
        yield one
        assert one.stop() == 0
