"""Who must have an event before it may be forgotten, while two machines share a name."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.sim.watch import answering

N3: Any = SimpleNamespace(name="n3", address="n3:1")
ITS_COPY: Any = SimpleNamespace(name="n3", address="n3c:1")
N4: Any = SimpleNamespace(name="n4", address="n4:1")


@pytest.mark.parametrize(
    ("lacking", "known", "counted"),
    [
        pytest.param([N3, N4], {"n3": "n3:1", "n4": "n4:1"}, ["n3:1", "n4:1"], id="members"),
        pytest.param([N3, N4], {"n3": "n3c:1", "n4": "n4:1"}, ["n4:1"], id="the copy has it"),
        pytest.param([N3, ITS_COPY], {"n3": "n3c:1"}, ["n3c:1"], id="the copy lacks it too"),
        pytest.param([ITS_COPY], {"n3": "n3:1"}, [], id="the copy is gone"),
        pytest.param([N3, ITS_COPY], {}, ["n3:1"], id="nobody is known"),
    ],
)
def test_a_name_is_one_member(lacking: list[Any], known: dict[str, str], counted: list[str]):
    """Broken: nodes are blamed for what a paused machine lacks, and its running copy has."""
    assert answering(lacking, known) == counted
