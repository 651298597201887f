"""What the log says of a node's conditions."""

from structlog.testing import capture_logs

from node.lifetime.conditionlog import ConditionLog
from node.lifetime.readiness import Readiness
from node.logs import get_logger


def test_a_condition_has_a_line_when_it_ceases_and_when_it_holds_again():
    """A wrong clock or a full disk would leave no trace but refused requests."""
    reasons = {"clock": None, "disk": None}
    readiness = Readiness("running")
    readiness.meet("running")
    readiness.watch("clock", lambda: reasons["clock"])
    readiness.watch_writes("disk", lambda: reasons["disk"])
    log = ConditionLog(readiness, get_logger("readiness"))
    with capture_logs() as lines:
        log.look()
        assert lines == []
        reasons |= {"clock": "412 ms off", "disk": "no room"}
        log.look()
        reasons["clock"] = "409 ms off"
        log.look()
        reasons["clock"] = None
        log.look()
    assert [(line["log_level"], line["condition"], line.get("reason")) for line in lines] == [
        ("warning", "clock", "412 ms off"),
        ("warning", "disk", "no room"),
        ("info", "clock", None),
    ]


def test_a_start_and_a_stop_are_no_alarm():
    """Every restart would have warnings, and nobody would read the others."""
    readiness = Readiness("running", "cluster")
    with capture_logs() as lines:
        log = ConditionLog(readiness, get_logger("readiness"))
        log.look()
        readiness.meet("running")
        readiness.meet("cluster")
        log.look()
        readiness.require("running", "stopping")
        log.look()
    assert [(line["log_level"], line["condition"]) for line in lines] == [("info", "cluster")]
