import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """Whoever runs the tests may have a node configured in the environment."""
    for variable in [name for name in os.environ if name.startswith("ATOLL_")]:
        monkeypatch.delenv(variable)
