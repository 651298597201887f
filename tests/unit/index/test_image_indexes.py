"""Image indexes: what they name stays, whoever takes back what."""

import json
import random

import pytest

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.registry import manifests
from node.registry.manifests import NAMED_MAX, NAMED_MAX_BYTES
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from node.registry.ports import ManifestRecord
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.test_metadata import CONFIG, manifest, push
from tests.unit.index.test_registers import REPO, digest_of, exchange, store, withdraw
from tests.unit.index.test_replica import log_of

Stored = tuple[Digest, ManifestRecord]


def index_of(*named: Stored) -> Stored:
    listed = [
        {"mediaType": record.media_type, "digest": digest, "size": len(record.body)}
        for digest, record in named
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    body = json.dumps(document).encode()
    return Digest.of(body), ManifestRecord(OCI_INDEX, body)


@pytest.mark.parametrize("pusher", ["a", "b"])
async def test_an_index_keeps_what_it_names_though_its_push_is_taken_back(
    open_node: OpenIndex, pusher: str
):
    """Broken: an acknowledged image of many platforms loses one, and nobody deleted it."""
    nodes = {name: open_node(name) for name in ("a", "b", "c")}
    stored = await store(nodes["a"], "child")
    await exchange(*nodes.values())
    digest, record = index_of(manifest("child"))
    parent = await nodes[pusher].metadata.put_manifest(REPO, digest, record, ["t"])
    nodes[pusher].metadata.settle(parent)
    await exchange(*nodes.values())
    await withdraw(nodes["a"], "child", stored)
    await exchange(*nodes.values())
    for node in nodes.values():
        assert node.metadata.tag(REPO, "t") == digest
        assert node.metadata.manifest(REPO, digest_of("child")) is not None
    assert await nodes["c"].metadata.delete_manifest(REPO, digest_of("child"))
    await exchange(*nodes.values())
    assert nodes["a"].metadata.manifest(REPO, digest_of("child")) is None


async def test_an_index_that_is_taken_back_takes_along_what_it_kept(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    child = await store(one, "child")
    await exchange(one, other)
    digest, record = index_of(manifest("child"))
    parent = await other.metadata.put_manifest(REPO, digest, record, ["t"])
    await exchange(one, other)
    await other.metadata.withdraw_manifest(REPO, digest, parent)
    other.metadata.settle(parent)
    assert other.metadata.manifest(REPO, digest_of("child")) is not None, "its own push stands"
    await withdraw(one, "child", child)
    await exchange(one, other)
    assert one.metadata.manifest(REPO, digest_of("child")) is None


async def test_an_index_pushes_nothing_again_that_this_node_has_pushed(open_node: OpenIndex):
    """Nor twice: what it names is written once, by each run that takes such a push."""
    one, other = open_node("a"), open_node("b")
    await push(one, REPO, "child")
    await exchange(one, other)
    digest, record = index_of(manifest("child"))
    for node, wanted in ((one, 0), (other, 1), (other, 0)):
        parent = await node.metadata.put_manifest(REPO, digest, record, ["t"])
        node.metadata.settle(parent)
        assert len(parent.kept) == wanted


@pytest.mark.parametrize("pusher", ["a", "b"])
async def test_an_index_of_indexes_keeps_what_those_name(open_node: OpenIndex, pusher: str):
    one, other = open_node("a"), open_node("b")
    nodes = {"a": one, "b": other}
    child = await store(one, "child")
    inner = index_of(manifest("child"))
    middle = await one.metadata.put_manifest(REPO, *inner, [])
    await exchange(one, other)
    outer = index_of(inner)
    nodes[pusher].metadata.settle(await nodes[pusher].metadata.put_manifest(REPO, *outer, ["t"]))
    await exchange(one, other)
    await one.metadata.withdraw_manifest(REPO, inner[0], middle)
    one.metadata.settle(middle)
    await withdraw(one, "child", child)
    one.metadata.settle(child)
    await exchange(one, other)
    for node in nodes.values():
        assert node.metadata.tag(REPO, "t") == outer[0]
        assert node.metadata.manifest(REPO, inner[0]) is not None
        assert node.metadata.manifest(REPO, digest_of("child")) is not None


async def test_what_only_an_earlier_run_pushed_is_kept_too(open_node: OpenIndex):
    """Who takes the index may never get that run's log: its disk may be lost first."""
    first, b, c = open_node("a"), open_node("b"), open_node("c")
    await store(first, "child")
    child = await store(b, "child")
    a = open_node("a", first.journal.store, random.Random(7))
    await a.replica.apply(log_of(b))
    await c.replica.apply(log_of(b))
    digest, record = index_of(manifest("child"))
    a.metadata.settle(await a.metadata.put_manifest(REPO, digest, record, ["t"]))
    await c.replica.apply(log_of(a))
    assert c.metadata.tag(REPO, "t") == digest
    await withdraw(b, "child", child)
    await c.replica.apply(log_of(b))
    assert c.metadata.manifest(REPO, digest_of("child")) is not None


async def test_what_an_earlier_run_took_back_is_kept_too(open_node: OpenIndex):
    """Its disk is lost, and who has heard of that is away: the push seems to stand."""
    first, b, c = open_node("a"), open_node("b"), open_node("c")
    child = await store(first, "child")
    await b.replica.apply(log_of(first))
    await withdraw(first, "child", child)
    await c.replica.apply(log_of(first))
    a = open_node("a", rng=random.Random(7))
    lost = first.replica.origin
    await a.replica.apply(b.replica.events_after(lost, 0, max_bytes=1 << 20))
    digest, record = index_of(manifest("child"))
    a.metadata.settle(await a.metadata.put_manifest(REPO, digest, record, ["t"]))
    for node in (a, b):
        await node.replica.apply(c.replica.events_after(lost, 0, max_bytes=1 << 20))
    for node in (b, c):
        await node.replica.apply(log_of(a))
    for node in (a, b, c):
        assert node.metadata.tag(REPO, "t") == digest
        assert node.metadata.manifest(REPO, digest_of("child")) is not None


async def test_a_push_under_way_does_not_stand_for_one_of_an_earlier_run(open_node: OpenIndex):
    first, b, c = open_node("a"), open_node("b"), open_node("c")
    await b.metadata.link_blob(REPO, CONFIG, 6, held=True, upload_id=None)
    await first.replica.apply(log_of(b))
    await c.replica.apply(log_of(b))
    await first.metadata.put_manifest(REPO, *manifest("child"), [])
    a = open_node("a", first.journal.store, random.Random(7))
    again = await a.metadata.put_manifest(REPO, *manifest("child"), [])
    digest, record = index_of(manifest("child"))
    a.metadata.settle(await a.metadata.put_manifest(REPO, digest, record, ["t"]))
    await withdraw(a, "child", again)
    a.metadata.settle(again)
    await c.replica.apply(log_of(a))
    assert c.metadata.tag(REPO, "t") == digest
    assert c.metadata.manifest(REPO, digest_of("child")) is not None


async def test_an_index_may_name_1001_manifests_that_somebody_else_pushed(open_node: OpenIndex):
    """Broken: an index of 159 kB is 400."""
    one, other = open_node("a"), open_node("b")
    await one.metadata.link_blob(REPO, CONFIG, 6, held=True, upload_id=None)
    many = [manifest(f"child {number}") for number in range(1001)]
    for digest, record in many:
        one.metadata.settle(await one.metadata.put_manifest(REPO, digest, record, []))
    await other.replica.apply(log_of(one))
    parent = await other.metadata.put_manifest(REPO, *index_of(*many), ["t"])
    assert len(parent.kept) == 1001
    assert NAMED_MAX >= 1001


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """As many as an index may name, for once."""
    monkeypatch.setattr(manifests, "NAMED_MAX", 20)
    return 20


async def test_an_index_may_not_name_too_much(open_node: OpenIndex, few: int):
    """The node that takes it may have to push all of that with it, in one change."""
    index = open_node()
    await index.metadata.link_blob(REPO, CONFIG, 6, held=True, upload_id=None)
    many = [manifest(f"child {number}") for number in range(few + 1)]
    for digest, record in many:
        index.metadata.settle(await index.metadata.put_manifest(REPO, digest, record, []))
    with pytest.raises(ManifestInvalid, match="at most 20 manifests"):
        await index.metadata.put_manifest(REPO, *index_of(*many), ["t"])
    index.metadata.settle(await index.metadata.put_manifest(REPO, *index_of(*many[1:]), ["t"]))


async def test_what_an_index_names_may_not_be_too_large_together(open_node: OpenIndex):
    index = open_node()
    await index.metadata.link_blob(REPO, CONFIG, 6, held=True, upload_id=None)
    large = []
    for number in range(5):
        document = json.loads(manifest(f"child {number}")[1].body)
        document["annotations"]["padding"] = "x" * (NAMED_MAX_BYTES // 5)
        body = json.dumps(document).encode()
        large.append((Digest.of(body), ManifestRecord(OCI_MANIFEST, body)))
        index.metadata.settle(await index.metadata.put_manifest(REPO, *large[-1], []))
    with pytest.raises(ManifestInvalid, match="bytes together"):
        await index.metadata.put_manifest(REPO, *index_of(*large), ["t"])
    index.metadata.settle(await index.metadata.put_manifest(REPO, *index_of(*large[1:]), ["t"]))


async def test_an_index_may_name_large_blobs(open_node: OpenIndex):
    """As BuildKit's registry cache does with layers."""
    index, size = open_node(), NAMED_MAX_BYTES + 1
    layer = Digest.of(b"a layer")
    await index.metadata.link_blob(REPO, layer, size, held=True, upload_id=None)
    entry = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": size}
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    body = json.dumps(document).encode()
    record = ManifestRecord(OCI_INDEX, body)
    stored = await index.metadata.put_manifest(REPO, Digest.of(body), record, ["cache"])
    assert not stored.kept


@pytest.mark.parametrize("media_type", [OCI_INDEX, "application/vnd.acme.list+json"])
async def test_what_a_kept_index_names_is_kept_again_once_it_was_deleted(
    open_node: OpenIndex, media_type: str
):
    one, other = open_node("a"), open_node("b")
    one.metadata.settle(await store(one, "child"))
    document = json.loads(index_of(manifest("child"))[1].body) | {"mediaType": media_type}
    body = json.dumps(document).encode()
    inner = Digest.of(body), ManifestRecord(media_type, body)
    one.metadata.settle(await one.metadata.put_manifest(REPO, *inner, []))
    await exchange(one, other)
    await other.metadata.delete_manifest(REPO, digest_of("child"))
    again = await store(other, "child")
    await exchange(one, other)
    one.metadata.settle(await one.metadata.put_manifest(REPO, *index_of(inner), ["t"]))
    await exchange(one, other)
    await withdraw(other, "child", again)
    other.metadata.settle(again)
    await exchange(one, other)
    for node in (one, other):
        assert node.metadata.manifest(REPO, digest_of("child")) is not None


async def test_what_an_index_names_counts_through_and_through(open_node: OpenIndex, few: int):
    one, other = open_node("a"), open_node("b")
    await one.metadata.link_blob(REPO, CONFIG, 6, held=True, upload_id=None)
    halves = []
    for half in range(2):
        named = [manifest(f"child {half} {number}") for number in range(few // 2)]
        halves.append(index_of(*named))
        for digest, record in [*named, halves[-1]]:
            one.metadata.settle(await one.metadata.put_manifest(REPO, digest, record, []))
    await other.replica.apply(log_of(one))
    before = len(log_of(other))
    with pytest.raises(ManifestInvalid, match="at most 20 manifests"):
        await other.metadata.put_manifest(REPO, *index_of(*halves), ["t"])
    assert len(log_of(other)) == before
    kept = await other.metadata.put_manifest(REPO, *index_of(halves[0]), ["t"])
    assert len(kept.kept) == few // 2 + 1
