"""The promises of `Log`, held by what a node logs by and by what stands in for it in tests."""

import pytest

from cluster.ports import Log
from node.logs import get_logger
from tests.fakes.log import MemoryLog
from tests.sim.machine import QuietLog

LOGS = {
    "structlog": lambda: get_logger("contract"),
    "memory": MemoryLog,
    "quiet": lambda: QuietLog(lambda node, incarnation: None),
}


@pytest.mark.parametrize("log", [make() for make in LOGS.values()], ids=LOGS.keys())
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
@pytest.mark.parametrize("value", [None, 7, "text", b"bytes", ["list"], ValueError("odd")])
def test_a_line_takes_whatever_a_field_holds(log: Log, level: str, value: object):
    """Broken: what is only to be told of ends the task that tells it."""
    getattr(log, level)("something happened", peer="b", value=value)
