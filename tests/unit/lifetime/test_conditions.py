"""What `/readyz` says of an index that fails: whether it is read, and what to do."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster import NodeState, State
from cluster.errors import StorageFailure, StorageFull
from node.errors import IndexDamaged, IndexFull, IndexPaused
from node.lifetime import conditions
from node.lifetime.readiness import Readiness

BROKEN = StorageFailure("index storage failed: Input/output error")


def readiness_with(trouble, failed=None, read_failure=None) -> Readiness:
    readiness = Readiness()
    index = SimpleNamespace(
        writer=SimpleNamespace(trouble=trouble, failed=failed),
        journal=SimpleNamespace(store=SimpleNamespace(read_failure=read_failure)),
    )
    readiness.watch("index", lambda: conditions._why_failed(index))
    readiness.watch("index", lambda: conditions._why_paused(index))
    readiness.watch_writes("index", lambda: conditions._why_unwritable(index))
    return readiness


@pytest.mark.parametrize(
    ("trouble", "failed", "read_failure", "reads", "told"),
    [
        (None, None, None, True, "ok"),
        (IndexFull(), None, None, True, "no room"),
        (IndexPaused("too many open files"), None, None, False, "tries to go on: too many open"),
        (BROKEN, None, None, False, "tries to go on"),
        (BROKEN, BROKEN, None, False, "look after the disk, then restart"),
        (None, None, BROKEN, False, "a read failed: index storage failed"),
        (
            IndexDamaged("CURRENT is gone"),
            None,
            None,
            False,
            "CURRENT is gone; start the node with",
        ),
    ],
)
def test_what_is_said_of_an_index(trouble, failed, read_failure, reads, told):
    """Broken: a node that fails is sent clients, or one that serves reads is sent none."""
    readiness = readiness_with(trouble, failed, read_failure)
    assert readiness.readyz().status == (200 if reads else 503)
    assert readiness.readyz(for_writes=True).status == (200 if told == "ok" else 503)
    assert told in readiness.readyz(for_writes=True).body.decode()


class Parts:
    """The parts of a node in which all is well, until a test says otherwise."""

    def __init__(self) -> None:
        self.room: Exception | None = None
        self.proxy = False
        self.servers: list[str] = []
        store = SimpleNamespace(read_failure=None)
        self.index: Any = SimpleNamespace(
            writer=SimpleNamespace(trouble=None, failed=None), journal=SimpleNamespace(store=store)
        )
        self.blobs: Any = SimpleNamespace(health=SimpleNamespace(failing=None, reads_work=True))
        self.cluster: Any = SimpleNamespace(
            state=NodeState(),
            seeds_missing=dict,
            clock_off_ms=float,
            shortage=lambda: None,
            is_proxy=lambda: self.proxy,
            servers=lambda: self.servers,
        )
        self.readiness = Readiness()
        conditions.watch(self.readiness, self.index, self.blobs, self.cluster, self._check_room)

    def _check_room(self) -> None:
        if self.room is not None:
            raise self.room


@pytest.mark.parametrize(
    ("state", "condition", "reads", "writes"),
    [
        (State.JOINING, "cluster", 503, 503),
        (State.LACKING, "index", 503, 503),
        (State.RESTORING, "index", 503, 503),
        (State.DAMAGED, "index", 503, 503),
        (State.FAILED, "index", 503, 503),
        (State.LEAVING, None, 200, 200),
        (State.STOPPING, "running", 503, 503),
    ],
)
def test_what_is_said_of_a_state(state, condition, reads, writes):
    """Broken: clients are sent to a node that cannot serve them, or to one less than can."""
    parts = Parts()
    assert parts.readiness.readyz(for_writes=True).status == 200
    parts.cluster.state.put(state, "because")
    assert parts.readiness.readyz().status == reads
    assert parts.readiness.readyz(for_writes=True).status == writes
    assert parts.readiness.reasons() == ({} if condition is None else {condition: "because"})


@pytest.mark.parametrize("condition", ["disk", "blobs", "index"])
def test_a_full_node_is_sent_reads(condition):
    parts = Parts()
    if condition == "disk":
        parts.room = StorageFull("no room")
    elif condition == "blobs":
        parts.blobs.health.failing = "read-only"
    else:
        parts.index.writer.trouble = IndexFull()
    assert State.FULL in parts.cluster.state
    assert parts.readiness.readyz().status == 200
    assert parts.readiness.readyz(for_writes=True).status == 503
    assert set(parts.readiness.all_reasons()) == {condition}


def test_an_index_that_is_gone_is_a_failed_node():
    parts = Parts()
    parts.index.writer.trouble = IndexDamaged("CURRENT is gone")
    assert State.FAILED in parts.cluster.state
    assert State.FULL not in parts.cluster.state


def test_a_proxy_is_ready_as_long_as_somebody_answers_for_it():
    """Broken: a balancer sends clients to a node that can only tell them so."""
    parts = Parts()
    for parts.proxy, parts.servers, status in (
        (False, [], 200),
        (True, ["eu-1"], 200),
        (True, [], 503),
    ):
        assert parts.readiness.readyz().status == status
    assert "reaches none" in parts.readiness.readyz().body.decode()
