"""The checker judges the engine, so each thing that it excuses has to be one that is no fault."""

from types import SimpleNamespace
from typing import Any

import pytest
from sortedcontainers import SortedDict

from cluster import vectors
from cluster.model import Consistency, Dot, Event, Key, Origin, Stamp, Vector
from node.index import keys, objects
from node.index.store import FAMILIES
from tests.sim import checker, order, reads
from tests.sim.excuses import Excused
from tests.sim.history import Link, Links, Op
from tests.sim.plan import WRITES


class Disk:
    """As much of a disk."""

    def __init__(self, seq: int = 0) -> None:
        """It has every log up to *seq*."""
        self.families: dict[str, Any] = {"tags": {}, "manifest_bytes": {}}
        self.seq = seq

    def synced(self, family: str, key: bytes) -> bytes | None:
        return None if vectors.is_mark(keys.read_origin(key)) else keys.u64(self.seq)

    def reached(self, vector: Vector, origin: Origin) -> int:
        return vectors.reached(vector, origin)


FULL = Disk(1 << 32)
LOG = {Origin("n0", 1): 1}


class History:
    """As much of a `World` as the checker looks at: what clients saw, and what is on the disks."""

    def __init__(self) -> None:
        self.clients = SimpleNamespace(history=[], recalled=[], uploads=[])
        self.plan = SimpleNamespace(copies=2)
        self.excused = Excused()
        self.observer = SimpleNamespace(events={})

    def lost(self, since: float) -> set[str]:
        return {m.address for m in self.machines if m.lost_disk[1] and m.lost_disk[0] > since}

    def op(self, kind: str, start: float, **fields: Any) -> Op:
        """An operation that was answered at once, at n0 in eu; as *fields* say where they do."""
        history = self.clients.history
        number = len(history)
        op = Op(number, kind, "eu", "lib/app", "v1", "n0:1", start, start + 0.1, "ok")
        for name, value in fields.items():
            setattr(op, name, value)
        if kind in WRITES and op.outcome == "ok":
            op.dots = op.dots or [Dot("n0", 1, number + 1)]
        history.append(op)
        return op


@pytest.fixture
def world() -> Any:
    return History()


@pytest.mark.parametrize(
    ("copies", "connected", "holders", "told"),
    [
        pytest.param(2, 3, ["n0:1", "n1:1"], False, id="enough"),
        pytest.param(2, 3, ["n0:1"], True, id="one disk"),
        pytest.param(2, 1, ["n0:1"], True, id="one disk, with nobody there"),
        pytest.param(3, 1, ["n0:1"], False, id="the last one of a small cluster"),
        pytest.param(3, 2, ["n0:1"], True, id="a small cluster with another one there"),
        pytest.param(3, 1, [], True, id="no disk"),
    ],
)
@pytest.mark.parametrize("blob", [False, True])
def test_an_acknowledgement_with_too_few_copies_is_told(
    world: Any, copies: int, connected: int, holders: list[str], told: bool, blob: bool
):
    """Broken: who says that it is degraded may acknowledge what is on one disk, or on none."""
    world.plan.copies = copies
    world.machines = [SimpleNamespace(address=f"n{n}:1", disk=FULL) for n in range(3)]
    all_of_them = [m.address for m in world.machines]
    push = world.op(
        "push",
        10.0,
        connected={f"n{n}:1" for n in range(connected)},
        members=3,
        holders=all_of_them if blob else holders,
        blob_holders=[holders if blob else all_of_them],
        counted=set(all_of_them),
    )
    expected = [f"acknowledged with the copies {holders} only: {push}"] if told else []
    assert list(checker._acknowledged(world)) == expected


def pull(
    world: Any,
    start: float,
    *,
    before: Links,
    after: Links,
    durable: Any,
    sick: Links | None = None,
) -> Op:
    """A pull that finds nothing, by a node with these links."""
    read: Op = world.op("pull_tag", start, machine="n2:1", outcome="missing")
    read.begins(before, durable)
    read.ends(after, sick)
    return read


@pytest.mark.parametrize(
    ("consistency", "holders", "told"),
    [
        pytest.param(Consistency.LOCAL, ["n0:1"], False, id="one disk will do"),
        pytest.param(Consistency.LOCAL, [], True, id="no disk does not"),
        pytest.param(Consistency.GLOBAL, ["n0:1", "n1:1"], True, id="one that is there lacks it"),
        pytest.param(Consistency.GLOBAL, ["n0:1", "n1:1", "n2:1"], False, id="everybody has it"),
    ],
)
@pytest.mark.parametrize("links", [False, True])
def test_a_project_decides_how_many_copies_are_enough(
    world: Any, consistency: Consistency, holders: list[str], told: bool, links: bool
):
    """Broken: what should be everywhere is acknowledged when it is on two disks."""
    world.machines = [SimpleNamespace(address=f"n{n}:1", disk=FULL) for n in range(4)]
    there = {"connected" if links else "living": {f"n{n}:1" for n in range(3)}}
    world.op("push", 10.0, members=4, holders=holders, consistency=consistency, **there)
    assert bool(list(checker._acknowledged(world))) is told


@pytest.mark.parametrize(
    ("consistency", "lost_at", "told"),
    [
        pytest.param(Consistency.LOCAL, 20.0, False, id="its only disk went"),
        pytest.param(Consistency.LOCAL, None, True, id="it just went"),
        pytest.param(Consistency.LOCAL, 1.0, True, id="the disk went long before"),
        pytest.param(Consistency.REGION, 20.0, True, id="it had to be on two"),
    ],
)
def test_only_a_local_write_may_go_with_its_disk(
    world: Any, consistency: Consistency, lost_at: float | None, told: bool
):
    """Broken: a policy that asks for little excuses every loss."""
    world.plan.copies = 1
    lost = (0.0, None) if lost_at is None else (lost_at, Disk())
    world.machines = [SimpleNamespace(address="n0:1", disk=Disk(), lost_disk=lost)]
    world.op(
        "push", 10.0, digest="a", connected={"n0:1"}, holders=["n0:1"], consistency=consistency
    )
    found = [*checker._acknowledged(world), *checker._final_tags(world)]
    found += checker._final_manifests(world)
    assert [text.partition(":")[0] for text in found] == (
        ["lost at ['n0", "lost", "lost"] if told else []
    )


@pytest.mark.parametrize(("address", "told"), [("n2:1", True), ("n1:1", False)])
def test_a_node_serves_what_it_has_of_any_region(world: Any, address: str, told: bool):
    """Broken: nothing is said of what a node itself has, if it was written elsewhere."""
    old = world.op("push", 1.0, digest="sha256:a", dots=[Dot("n0", 1, 1)])
    world.op("push", 2.0, region="us", digest="sha256:b", dots=[Dot("n0", 1, 2)], seen=LOG)
    reach = {address: {Origin("n0", 1): 2}}
    world.op("pull_tag", 9.0, machine="n2:1", digest=old.digest, reach=reach)
    assert [text.partition(":")[0] for text in reads.reads(world)] == (["stale"] if told else [])


@pytest.mark.parametrize(("later", "told"), [(7, True), (8, False)])
def test_a_history_ends_where_it_is_full(world: Any, later: int, told: bool):
    """Broken: what was trimmed counts as lost, or what was lost as trimmed."""
    dot, key = Dot("n0", 1, 1), Key(objects.TAG, "lib/app", "v1")
    push = world.op("push", 1.0, dots=[dot])
    world.observer.events[dot] = Event(dot, Stamp(5), "write", key, b"")
    world.plan.history_max = 8
    disk = Disk(1)
    stamps = range(6, 6 + later)
    disk.families["history"] = SortedDict(
        {keys.history("lib/app", "v1", stamp, Dot("n1", 1, stamp)): b"" for stamp in stamps}
    )
    disk.families["history"][keys.history("lib/app", "v10", 9, Dot("n1", 1, 9))] = b""
    world.machines = [SimpleNamespace(address="n0:1", disk=disk)]
    expected = [f"not in the history at ['n0:1']: {push}"] if told else []
    assert list(checker._in_history(world, push)) == expected


LINK, ANOTHER = Link("a", "run 1"), Link("b", "run 1")


@pytest.mark.parametrize(
    ("before", "after", "sick", "told"),
    [
        pytest.param({"n1:1": LINK}, {"n1:1": LINK}, {}, True, id="it was there all the while"),
        pytest.param({"n1:1": LINK}, {}, {}, False, id="it went meanwhile"),
        pytest.param({"n1:1": LINK}, {"n1:1": ANOTHER}, {}, False, id="it went and came back"),
        pytest.param({"n3:1": LINK}, {"n3:1": LINK}, {}, False, id="only one that lacks it"),
        pytest.param({}, {"n1:1": LINK}, {}, False, id="it came too late"),
        pytest.param({"n1:1": LINK}, {}, {"n1:1": ANOTHER}, True, id="its disk failed"),
        pytest.param({"n1:1": LINK}, {}, {"n1:1": Link("", "run 2")}, False, id="and it died"),
        pytest.param({}, {}, {"n1:1": ANOTHER}, False, id="its disk failed, far away"),
    ],
)
def test_what_a_connected_node_has_is_found_though_its_writer_died(
    world: Any, before: Links, after: Links, sick: Links, told: bool
):
    """
    Broken: no read is looked at any more once the node that took the write is gone, or an IO error
    there becomes "not found" here.
    """
    push = world.op("push", 1.0, digest="sha256:a")
    have = {push.dot.origin: push.dot.seq}
    durable = {"n1:1": have, "n3:1": {}}
    read = pull(world, 5.0, before=before, after=after, durable=durable, sick=sick)
    assert bool(list(reads.reads(world))) is told
    assert not told or str(read) in next(iter(reads.reads(world)))


@pytest.mark.parametrize(
    ("delete", "told"),
    [
        pytest.param(None, True, id="nobody deleted it"),
        pytest.param({"kind": "delete_tag", "seq": 1}, True, id="deleted before"),
        pytest.param({"kind": "delete_tag", "seq": 2}, False, id="deleted by one unknown to it"),
        pytest.param({"kind": "delete_tag", "outcome": "missing"}, True, id="nothing to delete"),
        pytest.param({"kind": "delete_manifest", "seq": 2}, False, id="its manifest was deleted"),
        pytest.param({"kind": "delete_tag", "seq": 2, "tag": "v2"}, True, id="another tag"),
    ],
)
def test_a_tag_that_vanished_is_told(world: Any, delete: dict[str, Any] | None, told: bool):
    """Broken: only the model misses it, and that is made of the events that the engine made."""
    world.machines = [SimpleNamespace(address="n0:1", disk=Disk())]
    if delete is not None:
        seq = delete.pop("seq", 1)
        world.op(delete.pop("kind"), 1.0, digest="sha256:a", dots=[Dot("n1", 1, seq)], **delete)
    push = world.op("push", 5.0, digest="sha256:a", seen={Origin("n1", 1): 1})
    expected = [f"lost: v1 is not at n0:1: {push}"] if told else []
    assert [text for text in checker._final_tags(world) if " v1 " in text] == expected


@pytest.mark.parametrize(
    ("one", "reach", "known"),
    [
        pytest.param({}, LOG, True, id="acknowledged before, and there"),
        pytest.param({}, {}, False, id="with nobody whom it can ask"),
        pytest.param({"end": 5.5}, LOG, False, id="at the same time"),
        pytest.param({"region": "us"}, LOG, False, id="in another region"),
        pytest.param({"consistency": Consistency.LOCAL}, LOG, False, id="before its region knew"),
        pytest.param({"outcome": "failed"}, LOG, False, id="not acknowledged"),
        pytest.param({"region": "us", "seen": True}, {}, True, id="its node had it"),
    ],
)
def test_a_write_knows_what_its_region_has_acknowledged(
    world: Any, one: dict[str, Any], reach: dict[Origin, int], known: bool
):
    """Broken: of two writes in a row the first may win, if the second one's node was behind."""
    seen = LOG if one.pop("seen", False) else {}
    first = world.op("push", 1.0, **{"dots": [Dot("n0", 1, 1)], **one})
    second = world.op("push", 5.0, machine="n1:1", seen=seen, reach={"n2:1": reach})
    assert order.before(first, second) is known


@pytest.mark.parametrize(
    ("listed", "deleted", "told"),
    [
        pytest.param([], None, "missing", id="it is not listed"),
        pytest.param(["sha256:a"], None, None, id="it is listed"),
        pytest.param([], 5.0, None, id="it was deleted"),
        pytest.param(["sha256:a"], 5.0, "deleted, and served", id="it was deleted, and is listed"),
        pytest.param(["sha256:a", "sha256:b"], None, "listed, and nobody wrote it", id="nobody's"),
        pytest.param(["sha256:a", "sha256:a"], None, "listed twice", id="twice"),
    ],
)
def test_referrers_are_those_that_were_pushed(
    world: Any, listed: list[str], deleted: float | None, told: str | None
):
    """Broken: a signature that was pushed is not found, or one that was deleted is."""
    push = {"digest": "sha256:a", "subject": "sha256:s", "dots": [Dot("n0", 1, 1)]}
    world.op("push", 1.0, **push)
    if deleted is not None:
        gone = [Dot("n0", 1, 2)]
        world.op(
            "delete_manifest", deleted, digest="sha256:a", dots=gone, seen={Origin("n0", 1): 1}
        )
    reach = {"n0:1": {Origin("n0", 1): 2}}
    world.op("referrers", 9.0, subject="sha256:s", listed=listed, reach=reach)
    assert [text.partition(":")[0] for text in reads.reads(world)] == ([told] if told else [])


def of_tag(tag: str, row: bytes) -> Any:
    """A disk of which each family has a row that is about this tag, or its sums."""
    named = keys.join("lib/app", tag)
    found = {family: {named: row} for family in FAMILIES}
    return SimpleNamespace(
        vector=dict,
        families=found
        | {"history": {keys.history("lib/app", tag, 5, Dot("n0", 1, 1)): row}}
        | {"tagged": {keys.join("lib/app", "sha256:a", tag): row}},
    )


def test_everything_that_nodes_share_is_compared():
    """Broken: two nodes differ in a tag for ever, and nobody tells."""
    one, other = of_tag("v1", b"one"), of_tag("v1", b"other")
    everything = [family for family in FAMILIES if family not in checker.OWN_FAMILIES]
    assert checker.differences(one, other) == everything
    other.vector = lambda: LOG
    assert checker.differences(one, other) == [*everything, "vector"]


@pytest.mark.parametrize(("rest", "told"), [(0, False), (1, True)])
def test_half_a_change_is_told(rest: int, told: bool):
    """Broken: a manifest without its tag on every node, once its writer has lost its disk."""
    dot = Dot("n1", 1, 2)
    event = Event(dot, 1, "add", Key("manifest", "lib/app", "sha256:a"), b"", rest)
    disk = SimpleNamespace(vector=lambda: {dot.origin: dot.seq})
    machine = SimpleNamespace(address="n0:1", disk=disk)
    world: Any = SimpleNamespace(machines=[machine], observer=SimpleNamespace(events={dot: event}))
    assert bool(list(checker._halves(world))) is told


@pytest.mark.parametrize(
    ("unconfirmed", "here", "in_region", "seen"),
    [
        pytest.param(False, False, True, True, id="its region acknowledged it"),
        pytest.param(True, False, True, False, id="nobody could confirm that"),
        pytest.param(True, True, True, True, id="and it was here"),
        pytest.param(True, False, False, True, id="and who finds nothing asks everybody"),
    ],
)
def test_an_answer_that_nobody_confirmed_is_of_what_is_here(
    unconfirmed: bool, here: bool, in_region: bool, seen: bool
):
    dot = Dot("n1", 1, 7)
    write = Op(1, "push", "eu", "lib/app", "v1", "n1:1", 1.0, 1.1, "ok", dots=[dot])
    read = Op(2, "pull_tag", "eu", "lib/app", "v1", "n0:1", 2.0, 2.1, "ok", unconfirmed=unconfirmed)
    mine = {dot.origin: dot.seq if here else 0}
    read.reach = {"n0:1": mine, "n1:1": {dot.origin: dot.seq}}
    assert order.must_be_seen(read, write, in_region=in_region) is seen
