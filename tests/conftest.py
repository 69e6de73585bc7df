"""Fixtures that the tests of the programs share."""

import pytest
from programs import Daemon, new_home, require_model


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
    require_model()
    one = Daemon(home)
    one.import_model()
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def daemon():
    """The daemon that tests share, with the model."""
    require_model()
    with new_home() as folder:
        one = Daemon(folder)
        one.import_model()
        one.start()
        yield one
        assert one.stop() == 0
