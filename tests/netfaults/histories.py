"""Short histories for the tests of the judge."""

from itertools import count
from typing import Any

from tests.netfaults.disturbances import Disturbance, Kind
from tests.netfaults.history import PULLS, Op

NODES = {"eu": "eu-0", "us": "us-0"}
STATUS = {"ok": 200, "missing": 404, "unknown": 503, "refused": 502}
BY_DIGEST = ("pull_digest", "delete_digest", "pull_blob")
_numbers = count()


def op(kind, start, end, digest="", outcome="ok", region="eu", node="", **more: Any) -> Op:
    """One operation on the tag `t` of one repository, or on the manifest *digest* of it."""
    return Op(
        number=next(_numbers),
        kind=kind,
        region=region,
        repo="a",
        tag=more.pop("tag", "" if kind in (*BY_DIGEST, "list") else "t"),
        start=start,
        end=end,
        node=node or NODES[region],
        outcome=outcome,
        digest=digest,
        body=more.pop("body", digest if kind in PULLS else ""),
        status=more.pop("status", STATUS[outcome]),
        **more,
    )


def fault(kind: Kind, start: float, end: float, nodes, **more: Any) -> Disturbance:
    return Disturbance(
        name=kind,
        kind=kind,
        nodes=frozenset(nodes),
        start=start,
        holds=more.pop("holds", start),
        loosens=more.pop("loosens", end),
        end=end,
        **more,
    )


def cut(start: float, end: float, nodes, **more: Any) -> Disturbance:
    return fault("cut", start, end, nodes, **more)
