"""What holds for every test."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from node import logs

# Hypothesis fails an example that takes longer than 200 ms: on a busy machine that is the
# scheduler's doing. Tests assert no durations.
settings.register_profile("atoll", deadline=None)
settings.load_profile("atoll")

# What `check` and its like find is shown as if the test had said it.
pytest.register_assert_rewrite("tests.unit.index.nodes", "tests.fakes")

_LONGEST = ("tests/desk/test_looks.py", "tests/e2e/test_image.py")
"""Files that take minutes each."""

_MAY_START_PROGRAMS = ("e2e", "conformance", "faults")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    What takes longest begins first, whatever the random order.

    Broken: at the end of `make test` one core waits for the other.
    """
    longest = {config.rootpath / name for name in _LONGEST}
    items.sort(key=lambda item: item.path not in longest)


@pytest.fixture(autouse=True)
def only_our_own_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The tests of `make unit` find no program by its name.

    Broken: one of them needs what only `.ci/tools` installs, and fails on a fresh machine.
    """
    if not any(request.node.get_closest_marker(name) for name in _MAY_START_PROGRAMS):
        monkeypatch.setenv("PATH", "/nonexistent")


@pytest.fixture(autouse=True)
def no_log_ins_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Commands find no cluster that whoever runs the tests has logged in to.

    Broken: a test asks a cluster that people work with.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")


@pytest.fixture
def process_logs() -> Iterator[None]:
    """
    Let a test configure logging, which is the process's, and put back what was there.

    Broken: tests that come later find their warnings or lines with somebody else.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logs.configure()  # Loggers that were used already keep writing to the last stream set.
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
