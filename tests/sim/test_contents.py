"""Manifests and blobs by their digests: who has to find them, who may not, and who may refuse."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.model import Digest, Dot, Event, Key, Kind, Origin
from node.index import keys
from node.registry.media_types import OCI_INDEX
from tests.sim import checker, faults, reads
from tests.sim.history import Op
from tests.sim.plan import OPERATIONS, PUTS, Plan, make_plan
from tests.sim.simulation import Result, simulate
from tests.sim.test_checker import History
from tests.sim.world import World

BLOB, CHILD, INDEX = ("sha256:" + letter * 64 for letter in "bci")
NODES = [("n0", "eu"), ("n1", "eu"), ("n2", "us")]
STEP = {"region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["a"]}


@pytest.fixture
def world() -> Any:
    return History()


def all_of(origin: Origin) -> dict[str, dict[Origin, int]]:
    return {"n0:1": {origin: 100}}


def kinds(texts: Any) -> list[str]:
    return [text.partition(":")[0] for text in texts]


REACH = all_of(Origin("n0", 1))


@pytest.mark.parametrize(
    ("pushed", "deleted", "told"),
    [
        pytest.param({}, None, True, id="nobody deleted it"),
        pytest.param({}, [], True, id="somebody deleted it alone"),
        pytest.param({}, [INDEX], False, id="somebody deleted it and what names it"),
        pytest.param({"outcome": "failed"}, None, False, id="nobody was told that it is there"),
        pytest.param({"outcome": "refused"}, None, False, id="it was refused"),
        pytest.param({"end": 9.5}, None, False, id="at the same time"),
    ],
)
@pytest.mark.parametrize("kind", ["pull_blob", "pull_digest", "push_index"])
def test_what_an_acknowledged_manifest_names_is_found(
    world: Any, pushed: dict[str, Any], deleted: list[str] | None, told: bool, kind: str
):
    """
    Broken: blobs of an image, or manifests of an index, are "not found", or their repository is
    said not to have them when another manifest is to name them.
    """
    digest = BLOB if kind == "pull_blob" else CHILD
    world.op("push", 1.0, digest=INDEX, blobs=[(BLOB, b"")], children=[CHILD], **pushed)
    if deleted is not None:
        by = "delete_blob" if kind == "pull_blob" else "delete_manifest"
        world.op(by, 3.0, digest=digest)
        for parent in deleted:
            world.op("delete_manifest", 3.0, digest=parent)
    if kind == "push_index":
        world.op(kind, 9.0, reach=REACH, outcome="refused", lacking=[digest])
    else:
        world.op(kind, 9.0, reach=REACH, outcome="missing", digest=digest)
    assert kinds(reads.reads(world)) == (["missing"] if told else [])


@pytest.mark.parametrize(
    ("kind", "parent_deleted", "told"),
    [
        pytest.param("pull_digest", False, False, id="an index names it"),
        pytest.param("pull_digest", True, True, id="the index is deleted too"),
        pytest.param("referrers", False, True, id="it is listed"),
    ],
)
def test_what_is_deleted_is_served_if_it_is_named(
    world: Any, kind: str, parent_deleted: bool, told: bool
):
    """Broken: a child stays readable for ever, or a deleted signature stays in its list."""
    world.op("push", 1.0, digest=CHILD, subject=BLOB, dots=[Dot("n0", 1, 1)])
    world.op("push_index", 2.0, digest=INDEX, children=[CHILD], dots=[Dot("n0", 1, 2)])
    deleted = [CHILD, INDEX] if parent_deleted else [CHILD]
    for digest in deleted:
        world.op("delete_manifest", 3.0, digest=digest, seen={Origin("n0", 1): 99})
    asked = {"digest": CHILD} if kind == "pull_digest" else {"subject": BLOB, "listed": [CHILD]}
    world.op(kind, 9.0, reach=REACH, **asked)
    assert kinds(reads.reads(world)) == (["deleted, and served"] if told else [])


@pytest.mark.parametrize("outcome", ["ok", "failed"])
def test_an_upload_that_may_have_come_after_the_deletion_is_served(world: Any, outcome: str):
    """Broken: nobody is told of a blob that comes back, or of one that does not."""
    upload = Op(-1, "upload", "eu", "lib/app", "", "n0:1", 1.0, 1.1, outcome, digest=BLOB)
    upload.dots = [Dot("n0", 1, 50)] if outcome == "ok" else []
    world.clients.uploads.append(upload)
    world.op("delete_blob", 3.0, digest=BLOB, seen={Origin("n0", 1): 99})
    world.op("pull_blob", 9.0, reach=REACH, digest=BLOB)
    assert kinds(reads.reads(world)) == (["deleted, and served"] if outcome == "ok" else [])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"outcome": "refused"}, "logged, and said to have changed nothing", id="U1"),
        pytest.param({"outcome": "missing"}, "logged, and said to have changed nothing", id="404"),
        pytest.param({"outcome": "failed"}, None, id="nobody knows"),
        pytest.param({}, "acknowledged with the event of another write", id="it is another's"),
        pytest.param({"dots": [Dot("n0", 1, 2)]}, None, id="it is its own"),
    ],
)
def test_a_refusal_has_no_event_and_a_write_one_of_its_own(
    world: Any, fields: dict[str, Any], told: str | None
):
    world.op("push", 1.0, dots=[Dot("n0", 1, 1)])
    world.op("push", 2.0, **{"dots": [Dot("n0", 1, 1)], **fields})
    assert kinds(checker._refused(world)) == ([] if told is None else [told])


def test_an_index_is_nowhere_without_what_it_lists():
    """Broken: a node has the event of an index, and not that of an image which it lists."""
    child = Event(Dot("n1", 1, 1), 1, Kind.ADD, Key("manifest", "lib/app", CHILD), b"")
    one, other = (SimpleNamespace(address=f"n{n}:1") for n in range(2))
    op = Op(0, "push_index", "eu", "lib/app", "v1", "n0:1", 1.0, holders=["n0:1", "n1:1"])
    having = [one.address]
    stand_in: Any = SimpleNamespace(
        observer=SimpleNamespace(events={child.dot: child}), _holding=lambda *_: having
    )
    assert World._without(stand_in, op, CHILD) == [other.address]


@pytest.mark.parametrize(
    ("error", "connected", "trouble", "told"),
    [
        pytest.param("BlobUnavailable: no", {"n1:1"}, {}, True, id="the holder could be asked"),
        pytest.param("BlobUnavailable: no", set(), {}, False, id="the holder is out of reach"),
        pytest.param("BlobUnavailable: no", {"n1:1"}, {"full_at": 9.0}, False, id="no room here"),
        pytest.param("BlobUnavailable: no", {"n1:1"}, {"failed_at": 9.0}, False, id="no disk here"),
        pytest.param("NotCaughtUp: no", {"n1:1"}, {}, False, id="the node may not read"),
    ],
)
def test_a_blob_on_a_disk_that_could_be_asked_is_read(
    error: str, connected: set[str], trouble: dict[str, float], told: bool
):
    """Broken: a node refuses what it could have fetched."""
    fault = Plan("1", NODES, [])
    world = World(fault)
    world.last_fault = float("inf")
    [*world.machines] = (world.machine(name, region, f"{name}:1") for name, region in NODES)
    digest = Digest(BLOB)
    disk = world.machines[1].disk
    disk.blobs[digest] = b""
    disk.families["own"][keys.join(digest)] = b""
    running: Any = SimpleNamespace(process=SimpleNamespace(paused=False))
    world.machines[1].running = running
    op = Op(0, "pull_blob", "eu", "lib/app", "", "n0:1", 5.0, digest=BLOB, error=error)
    op.connected, op.having = connected, world.having(op)
    assert op.having == {"n1:1"}
    for name, at in trouble.items():
        setattr(world.machines[0].disk, name, at)
    world.expect_an_answer(op, world.machines[0].disk)
    assert kinds(world.slow) == (["unavailable, and on ['n1"] if told else [])
    world.machines[1].running = None


def carried_out(*steps: dict[str, Any], work_s: float = 6.0) -> Result:
    plan = Plan("1", NODES, [{**STEP, **step} for step in steps], work_s=work_s)
    result = simulate(plan)
    assert result.violations == []
    return result


def test_an_index_is_pushed_with_the_images_that_it_lists():
    """And read back, as are an image of it by its digest and a blob of that image."""
    index = {"do": "push_index", "children": [["a"], ["b"]], "known": False, "nested": False}
    asked = [
        {"at": 1.0, "salt": 1, "echo": "pull_tag", **index},
        {"at": 3.0, "salt": 3, "echo": "pull_digest", **index, "nested": True},
        {"at": 4.0, "salt": 14, "do": "pull_blob", "child": True},
        {"at": 4.5, "salt": 7, "do": "delete_manifest", "child": True},
    ]
    told = [line.split()[2] for line in carried_out(*asked).history]
    assert told[:4] == ["push", "push", "push_index", "pull_tag"]
    assert told[4:8] == ["push", "push", "push_index", "pull_digest"]
    assert told[8:] == ["pull_blob", "delete_manifest"]


def test_a_plan_has_every_kind_of_operation():
    steps = [step for seed in range(20) for step in make_plan(str(seed)).steps]
    assert {step["do"] for step in steps} >= set(OPERATIONS)
    assert all("echo" in step for step in steps if step["do"] in PUTS)


def test_a_node_of_an_earlier_version_is_asked_nothing_until_it_is_upgraded(
    monkeypatch: pytest.MonkeyPatch,
):
    """It keeps what it cannot read, and applies it then: the indexes are alike in the end."""
    kept: list[int] = []
    heal = faults.heal_everything

    def look(world: World) -> None:
        kept.extend(m.running.index.replica.quarantined() for m in world.machines if m.running)
        heal(world)

    monkeypatch.setattr(faults, "heal_everything", look)
    pushes = [{"do": "push", "at": 2.0 + n, "salt": n} for n in range(5)]
    older = {"do": "older", "at": 1.0, "node": 2, "for": 30.0, "salt": 0}
    carried_out(older, *pushes, work_s=10.0)
    assert max(kept) > 5


def test_an_index_says_what_it_is():
    op = Op(0, "push_index", "eu", "lib/app", "v1", "n0:1", 1.0, media_type=OCI_INDEX)
    op.blobs, op.children = [(BLOB, b"")], [CHILD]
    assert op.puts
    assert op.names == [BLOB, CHILD]
