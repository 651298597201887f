"""What `/readyz` says of an index that fails: whether it is read, and what to do."""

from types import SimpleNamespace

import pytest

from cluster.errors import StorageFailure
from node import conditions
from node.admin.health import Readiness
from node.errors import IndexDamaged, IndexFull, IndexPaused

BROKEN = StorageFailure("index storage failed: Input/output error")


def readiness_with(trouble, failed=None, read_failure=None) -> Readiness:
    readiness = Readiness()
    index = SimpleNamespace(
        writer=SimpleNamespace(trouble=trouble, failed=failed),
        journal=SimpleNamespace(store=SimpleNamespace(read_failure=read_failure)),
    )
    readiness.watch("index", lambda: conditions._why_failed(index))
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
