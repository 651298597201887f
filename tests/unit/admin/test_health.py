"""The answers of `/healthz` and `/readyz`."""

import json

import pytest

from node.admin.health import Readiness


def check(answer, status, body):
    assert answer.status == status
    assert json.loads(answer.body) == body


def test_ready_only_with_every_condition():
    """Traffic would come before the node can serve it."""
    readiness = Readiness("index", "cluster")
    check(
        readiness.readyz(),
        503,
        {"status": "unavailable", "conditions": {"index": "starting", "cluster": "starting"}},
    )
    readiness.meet("index")
    readiness.require("cluster", "1 of 2 seeds did not answer")
    assert not readiness.is_ready()
    assert readiness.reasons() == {"cluster": "1 of 2 seeds did not answer"}
    readiness.meet("cluster")
    assert readiness.is_ready()
    check(
        readiness.readyz(), 200, {"status": "ready", "conditions": {"index": "ok", "cluster": "ok"}}
    )


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
