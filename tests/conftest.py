"""Fixtures for the tests of the programs."""

import allowed_skips
import pytest
from programs import Daemon, Mlx, new_home


def pytest_sessionfinish(session):
    """In CI and in `make verify-release` a skip for a reason that is not on the list fails the run: otherwise a test could stop running and nobody would see it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reasons = [report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])]
    for reason in allowed_skips.unexpected(reasons):
        reporter.write_line(f"This reason for a skip is not in MLXR_ALLOWED_SKIPS: {reason}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
