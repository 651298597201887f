"""The answers of `/healthz` and `/readyz`."""

import json

import pytest

from node.lifetime.readiness import Readiness


def check(answer, status, body):
    assert answer.status == status
    assert json.loads(answer.body) == body


def test_ready_only_with_every_condition():
    """Traffic would come before the node can serve it."""
    readiness = Readiness("index", "cluster")
    check(
        readiness.readyz(),
        503,
        {
            "status": "unavailable",
            "conditions": {"index": "starting", "cluster": "starting"},
            "writes": {},
        },
    )
    readiness.meet("index")
    readiness.require("cluster", "1 of 2 seeds did not answer")
    assert not readiness.ready
    assert readiness.reasons() == {"cluster": "1 of 2 seeds did not answer"}
    readiness.meet("cluster")
    assert readiness.ready
    conditions = {"index": "ok", "cluster": "ok"}
    check(readiness.readyz(), 200, {"status": "ready", "conditions": conditions, "writes": {}})


def test_readiness_can_be_lost():
    """A load balancer would go on sending to a node that shuts down."""
    readiness = Readiness("index")
    readiness.meet("index")
    readiness.require("index", "shutting down")
    assert readiness.readyz().status == 503


def test_alive_before_ready():
    """An orchestrator would kill a node that is still starting."""
    check(Readiness("index").healthz(), 200, {"status": "alive"})


def test_undeclared_condition_is_a_bug():
    """A misspelt condition would leave the real one unmet for ever, in silence."""
    with pytest.raises(KeyError):
        Readiness("index").meet("idnex")


def test_what_is_watched_is_looked_at_by_each_probe():
    """A part that fails later would never be heard of."""
    readiness, found = Readiness("cluster"), dict.fromkeys("abc")
    readiness.meet("cluster")
    readiness.watch("index", lambda: found["a"])
    readiness.watch("index", lambda: found["b"])
    readiness.watch("cluster", lambda: found["c"])
    assert readiness.ready
    found["b"] = "damaged"
    assert readiness.reasons() == {"index": "damaged"}
    found["a"] = "failed"
    assert readiness.reasons() == {"index": "failed"}, "the first check has the first word"
    found.update(a=None, b=None, c="nobody answers")
    readiness.require("cluster", "starting")
    assert readiness.reasons() == {"cluster": "nobody answers"}, "a check says more"
    found["c"] = None
    assert readiness.reasons() == {"cluster": "starting"}


def test_a_node_that_takes_no_write_still_serves_reads():
    """Pulls would fail, or go to another region, for the sake of pushes."""
    readiness, missing = Readiness("cluster"), [None]
    readiness.meet("cluster")
    readiness.watch_writes("copies", lambda: missing[0])
    assert (readiness.readyz(for_writes=True).status, readiness.writable) == (200, True)
    missing[0] = "us-1 is missing"
    assert (readiness.readyz().status, readiness.ready) == (200, True)
    body = {
        "status": "unavailable",
        "conditions": {"cluster": "ok"},
        "writes": {"copies": "us-1 is missing"},
    }
    check(readiness.readyz(for_writes=True), 503, body)
    check(readiness.readyz(), 200, {**body, "status": "ready"})
    missing[0] = None
    readiness.require("cluster", "starting")
    assert readiness.readyz(for_writes=True).status == 503, "writes need the rest as well"
    assert not readiness.writable


def test_a_condition_of_reads_is_told_where_one_of_writes_has_its_name():
    """Broken: a damaged index is in no log, and no other member hears of it."""
    readiness, found = Readiness(), dict.fromkeys(("reads", "writes"))
    readiness.watch("index", lambda: found["reads"])
    readiness.watch_writes("index", lambda: found["writes"])
    assert readiness.all_reasons() == {}
    found["writes"] = "no room"
    assert (readiness.reasons(), readiness.all_reasons()) == ({}, {"index": "no room"})
    found["reads"] = "damaged"
    assert readiness.all_reasons() == {"index": "damaged"}
    found["writes"] = None
    assert readiness.all_reasons() == {"index": "damaged"}


def test_a_remark_is_shown_and_stops_nothing():
    """An address in `join` at which nobody is would keep a node down, or stay unknown."""
    readiness, told = Readiness("cluster"), [None]
    readiness.meet("cluster")
    readiness.remark("join", lambda: told[0])
    assert "remarks" not in json.loads(readiness.readyz().body)
    told[0] = "10.0.0.9:6000 does not answer"
    assert json.loads(readiness.readyz().body)["remarks"] == {"join": told[0]}
    assert readiness.readyz().status == 200
