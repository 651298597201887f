"""What holds for every test."""

import pytest
from hypothesis import settings

# Hypothesis fails an example that takes longer than 200 ms: on a busy machine that is the
# scheduler's doing. Tests assert no durations.
settings.register_profile("atoll", deadline=None)
settings.load_profile("atoll")

_MAY_START_PROGRAMS = ("e2e", "conformance", "faults")


@pytest.fixture(autouse=True)
def only_our_own_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The tests of `make unit` find no program by its name.

    Broken: one of them needs what only `.ci/tools` installs, and fails on a fresh machine.
    """
    if not any(request.node.get_closest_marker(name) for name in _MAY_START_PROGRAMS):
        monkeypatch.setenv("PATH", "/nonexistent")
