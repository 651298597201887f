"""The lists under referrers tags, and the pushes that renew them."""

import json

import pytest

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.index.fallback import fallback_tag
from node.index.index import Index
from node.index.references import LIST_TYPE, PARTIAL_TYPE
from node.registry import manifests
from node.registry.manifests import check_type, parse_manifest
from node.registry.media_types import OCI_INDEX
from node.registry.values import DeleteManifest, DeleteTag, ManifestRecord, PutManifest
from tests.builders import HandClock
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import CONFIG, REPO, exchange, push, push_index, store


def generated(index: Index, subject: Digest) -> Digest:
    digest = index.metadata.tag(REPO, fallback_tag(subject))
    assert digest is not None
    return digest


@pytest.fixture
async def nodes(open_node: OpenIndex) -> list[Index]:
    return [open_node("a"), open_node("b")]


@pytest.fixture
async def subject(nodes: list[Index]) -> Digest:
    """Has one referrer, and a list of it that a client keeps under the referrers tag."""
    subject = await push(nodes[0], REPO, "subject")
    one = await push(nodes[0], REPO, "one", subject=subject)
    await push_index(nodes[0], REPO, fallback_tag(subject), one)
    await exchange(*nodes)
    return subject


async def test_the_event_of_a_referrer_s_push_is_behind_that_of_its_list(
    nodes: list[Index], subject: Digest
):
    """Broken: a push is acknowledged while the list under the tag is on one node only."""
    event = await store(nodes[0], "two", subject=subject)
    assert event == nodes[0].metadata.tag_register(REPO, fallback_tag(subject)).dots[0]
    assert event.seq == nodes[0].replica.vector()[nodes[0].replica.origin]


def bytes_of(index: Index, digest: Digest) -> bytes:
    found = index.metadata.manifest(REPO, digest)
    assert found is not None
    assert found.media_type == OCI_INDEX, "whoever pushed it, it is an index"
    return found.body


def lists(index: Index) -> set[Digest]:
    """Every list that the repository has, whoever made it."""
    rows = index.journal.store.scan("manifest_bytes", b"", b"\xff")
    return {Digest.of(body) for _, body in rows if "manifests" in json.loads(body)}


async def put_list(index: Index, body: bytes, *tags: str) -> Digest:
    record = ManifestRecord(OCI_INDEX, body)
    await index.metadata.put(PutManifest(REPO, Digest.of(body), record, tags))
    return Digest.of(body)


async def test_what_the_lists_of_a_subject_take_grows_with_its_referrers(
    nodes: list[Index], subject: Digest
):
    """Broken: each push leaves a list, and a thousand referrers have 110 MB of them."""
    index, made = nodes[0], [generated(nodes[0], subject)]
    for number in range(20):
        await push(index, REPO, f"more {number}", subject=subject)
        made.append(generated(index, subject))
    clients, *_, before, current = made
    assert lists(index) == {clients, before, current}
    await exchange(*nodes)
    assert len(json.loads(bytes_of(nodes[1], current))["manifests"]) == 21


async def test_a_referrer_s_end_leaves_no_lists_either(nodes: list[Index], subject: Digest):
    index, clients = nodes[0], generated(nodes[0], subject)
    pushed = [await push(index, REPO, f"more {number}", subject=subject) for number in range(4)]
    for digest in pushed:
        await index.metadata.delete(DeleteManifest(REPO, digest))
    assert len(lists(index)) == 3
    assert json.loads(bytes_of(index, generated(index, subject)))["manifests"] != []
    assert clients in lists(index)


async def test_the_list_before_can_be_read_and_deleted(nodes: list[Index], subject: Digest):
    """Broken: a client asks for the digest that the tag had a moment ago, and gets 404."""
    index = nodes[0]
    await push(index, REPO, "two", subject=subject)
    two = generated(index, subject)
    await push(index, REPO, "three", subject=subject)
    assert two in lists(index)
    theirs = bytes_of(index, generated(index, subject)) + b" "
    await put_list(index, theirs, fallback_tag(subject))
    assert await index.metadata.delete(DeleteManifest(REPO, two)) is not None


@pytest.mark.parametrize("by_digest", [False, True])
async def test_with_the_tag_the_lists_go_that_no_client_pushed(
    nodes: list[Index], subject: Digest, by_digest: bool
):
    index, clients = nodes[0], generated(nodes[0], subject)
    for text in ("two", "three"):
        await push(index, REPO, text, subject=subject)
    if by_digest:
        await index.metadata.delete(DeleteManifest(REPO, generated(index, subject)))
    else:
        await index.metadata.delete(DeleteTag(REPO, fallback_tag(subject)))
    await exchange(*nodes)
    assert lists(nodes[0]) == lists(nodes[1]) == {clients}


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("tags", [(), ("mine",)])
async def test_the_same_bytes_pushed_by_a_client_are_the_client_s(
    nodes: list[Index], subject: Digest, seen: bool, tags: tuple[str, ...], wall: HandClock
):
    """Broken: an acknowledged push is removed, by no client and without a word."""
    here, there = nodes
    await push(here, REPO, "two", subject=subject)
    await exchange(*nodes)
    two = generated(here, subject)
    await put_list(there, bytes_of(there, two), *tags)
    wall.ms += 10_000
    if seen:
        await exchange(*nodes)
    for number in range(3):
        await push(here, REPO, f"more {number}", subject=subject)
    await exchange(*nodes)
    assert two in lists(here)
    assert [here.metadata.tag(REPO, tag) for tag in tags] == [two for _ in tags]


async def test_a_list_that_becomes_one_that_a_client_pushed_stays_the_client_s(
    nodes: list[Index], subject: Digest
):
    index = nodes[0]
    two = await push(index, REPO, "two", subject=subject)
    await index.metadata.delete(DeleteManifest(REPO, two))
    one_only = generated(index, subject)
    await put_list(index, bytes_of(index, one_only))
    three = await push(index, REPO, "three", subject=subject)
    await index.metadata.delete(DeleteManifest(REPO, three))
    assert generated(index, subject) == one_only
    for number in range(3):
        await push(index, REPO, f"more {number}", subject=subject)
    assert one_only in lists(index)


async def test_concurrent_lists_go_like_others(nodes: list[Index], subject: Digest):
    here, there = nodes
    clients = generated(here, subject)
    await push(here, REPO, "two", subject=subject)
    await push(there, REPO, "three", subject=subject)
    await exchange(*nodes)
    assert len(lists(here)) == 3
    for number in range(2):
        await push(here, REPO, f"more {number}", subject=subject)
    await exchange(*nodes)
    assert len(lists(there)) == 3
    assert clients in lists(there)
    listed = json.loads(bytes_of(there, generated(there, subject)))["manifests"]
    assert len(listed) == 5


async def push_and_delete_beside(index: Index, subject: Digest, list_: Digest) -> None:
    """A referrer comes and goes; the list under the tag stays what it was."""
    two = await push(index, REPO, "two", subject=subject)
    assert generated(index, subject) == list_
    assert await index.metadata.delete(DeleteManifest(REPO, two)) is not None
    assert generated(index, subject) == list_


@pytest.mark.parametrize("value", ["1e400", "-1e400", "9" * 5000, '{"y":[1e999]}'])
@pytest.mark.parametrize("where", ["list", "entry"])
async def test_a_list_with_a_number_that_nobody_can_read_is_left_alone(
    nodes: list[Index], subject: Digest, value: str, where: str
):
    """
    Broken: with such a list, which anybody who may push can put there, every push and every delete
    of a referrer is 500. The number stands in a field that is skipped where manifests are read.
    """
    listed, odd = json.loads(bytes_of(nodes[0], generated(nodes[0], subject))), '"x":"odd"'
    (listed if where == "list" else listed["manifests"][0])["x"] = "odd"
    body = json.dumps(listed, separators=(",", ":")).replace(odd, f'"x":{value}').encode()
    assert value.encode() in body
    theirs = await put_list(nodes[0], body, fallback_tag(subject))
    await push_and_delete_beside(nodes[0], subject, theirs)


async def test_a_list_of_an_earlier_version_that_would_be_refused_today_is_left_alone(
    nodes: list[Index], subject: Digest, monkeypatch: pytest.MonkeyPatch
):
    """Broken: the list that is made of it is refused, and with it the referrer's push: 500."""
    listed = json.loads(bytes_of(nodes[0], generated(nodes[0], subject)))
    listed["manifests"][0]["Digest"] = CONFIG
    with monkeypatch.context() as earlier:
        earlier.setattr(manifests, "_check_entries", lambda entries: None)
        theirs = await put_list(nodes[0], json.dumps(listed).encode(), fallback_tag(subject))
    manifests._parse_small.cache_clear()
    await push_and_delete_beside(nodes[0], subject, theirs)


async def test_no_client_can_push_what_a_node_marks_its_lists_with(subject: Digest):
    body = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    with pytest.raises(ManifestInvalid):
        check_type(parse_manifest(Digest.of(body), body).media_type, LIST_TYPE)


@pytest.mark.parametrize("own", [LIST_TYPE, PARTIAL_TYPE, LIST_TYPE.upper()])
def test_no_client_can_push_what_is_of_that_type_itself(own: str):
    """Broken: what a client has pushed is taken away as a list that a node wrote; nothing that it
    names stays for its sake."""
    body = json.dumps({"schemaVersion": 2, "mediaType": own, "config": None}).encode()
    with pytest.raises(ManifestInvalid, match="no client's"):
        check_type(parse_manifest(Digest.of(body), body).media_type, own)
