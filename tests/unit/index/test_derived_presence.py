"""What is deleted and still named: readable as long as that which names it is there."""

from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from cluster.errors import EventGap
from cluster.model import Digest, Dot, Key
from cluster.objects import Add, Presence
from node.errors import ManifestBlobUnknown, ManifestInvalid
from node.index import checkpoint, keys, local, references, rows
from node.index.fallback import fallback_tag
from node.index.index import Index
from node.index.journal import Transaction
from node.index.rows import ManifestPayload
from node.index.store import END, SHARED_FAMILIES
from node.registry.values import AddBlob, DeleteBlob, DeleteManifest, PutManifest
from tests.builders import HandClock
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    CONFIG,
    REPO,
    Stored,
    check,
    digest_of,
    hear,
    index_of,
    manifest,
    push_index,
    restore,
    rows_of,
    store,
)

CHILD = manifest("child")
INDEX = index_of(CHILD)
OUTER = index_of(INDEX)
OTHER = index_of(CHILD, manifest("other"))


async def put(index: Index, stored: Stored, *tags: str, lacks: tuple[Digest, ...] = ()) -> None:
    await index.metadata.put(PutManifest(REPO, *stored, tags, lacks))


async def delete(index: Index, stored: Stored) -> None:
    assert await index.metadata.delete(DeleteManifest(REPO, stored[0])) is not None


async def forget(index: Index) -> None:
    await index.replica.forget_deletions(index.replica.vector())


def reads(index: Index, *stored: Stored) -> bool:
    """Whether all of them can be read; and none has to be, if not."""
    found = [index.metadata.manifest(REPO, digest) for digest, _ in stored]
    for (_, record), got in zip(stored, found, strict=True):
        assert got in (record, None)
    assert len({got is None for got in found}) == 1
    return found[0] is not None


def rows_kept(index: Index) -> int:
    families = ("deletions", references.KEPT_NAMED, references.KEPT_BYTES)
    return sum(len(list(index.journal.store.scan(family, b"", END))) for family in families)


async def meet(*nodes: Index) -> None:
    """Every node hears of everything, as soon as it has what that builds on."""
    for _ in nodes:
        for node in nodes:
            for other in nodes:
                with suppress(EventGap):
                    await hear(node, other)
    assert all(rows_of(node) == rows_of(nodes[0]) for node in nodes)


async def with_child(index: Index) -> None:
    await store(index, "child", "tag")


async def test_a_child_is_there_as_long_as_an_index_names_it(open_node: OpenIndex):
    index = open_node()
    await with_child(index)
    await store(index, "other")
    for each in (INDEX, OTHER):
        await put(index, each)
    await delete(index, CHILD)
    await forget(index)
    assert reads(index, CHILD)
    check(index, tags={})
    assert index.metadata.tags(REPO, "", 10).items == []
    assert await index.metadata.delete(DeleteManifest(REPO, CHILD[0])) is None
    await delete(index, INDEX)
    await forget(index)
    assert reads(index, CHILD), "OTHER names it"
    assert not reads(index, INDEX)
    await delete(index, OTHER)
    assert not reads(index, CHILD, OTHER)
    await forget(index)
    assert rows_kept(index) == 0


async def test_what_is_named_by_what_is_named_is_there(open_node: OpenIndex):
    index = open_node()
    await with_child(index)
    for each in (INDEX, OUTER):
        await put(index, each)
    for each in (INDEX, CHILD):
        await delete(index, each)
    await forget(index)
    assert reads(index, CHILD, INDEX, OUTER)
    assert index.metadata.blob(REPO, CONFIG) == 6
    await delete(index, OUTER)
    assert not reads(index, CHILD, INDEX, OUTER)
    await forget(index)
    assert rows_kept(index) == 0
    assert list(index.journal.store.scan(references.NAMED, b"", END)) == []


async def test_a_repository_without_manifests_is_not_listed_for_the_sake_of_kept_ones(
    open_node: OpenIndex,
):
    index = open_node()
    await with_child(index)
    await put(index, INDEX)
    await delete(index, CHILD)
    await delete(index, INDEX)
    assert index.metadata.repositories("", 10).items == []
    await index.metadata.delete(DeleteBlob(REPO, CONFIG))
    assert not index.metadata.repository_exists(REPO)


async def test_a_child_that_is_pushed_again_is_one_like_others(open_node: OpenIndex):
    index = open_node()
    await with_child(index)
    await put(index, INDEX)
    await delete(index, CHILD)
    await with_child(index)
    await delete(index, INDEX)
    await forget(index)
    assert reads(index, CHILD)
    assert index.metadata.tag(REPO, "tag") == CHILD[0]
    assert rows_kept(index) == 0


async def test_a_blob_is_there_as_long_as_a_manifest_names_it(open_node: OpenIndex):
    index = open_node()
    await with_child(index)
    assert await index.metadata.delete(DeleteBlob(REPO, CONFIG)) is not None
    assert await index.metadata.delete(DeleteBlob(REPO, CONFIG)) is None
    assert index.metadata.blob(REPO, CONFIG) == 6
    assert list(index.metadata.repositories_with(CONFIG)) == [REPO]
    await put(index, manifest("another"))
    await delete(index, CHILD)
    assert index.metadata.blob(REPO, CONFIG) == 6
    await delete(index, manifest("another"))
    assert index.metadata.blob(REPO, CONFIG) is None
    assert list(index.metadata.repositories_with(CONFIG)) == []
    with pytest.raises(ManifestBlobUnknown):
        await put(index, manifest("another"))


@pytest.mark.parametrize("held", [True, False])
async def test_the_size_of_a_named_blob_is_what_its_holders_say(open_node: OpenIndex, held: bool):
    """Broken: a manifest of a peer with a wrong size has readers doubt a good copy."""
    index = open_node()
    body = CHILD[1].body.replace(b'"size": 6', b'"size": 7')
    payload = rows.encode(ManifestPayload(CHILD[1].media_type, body))
    txn = index.journal.begin()
    local.emit(txn, Key("manifest", REPO, Digest.of(body)), Add((), payload))
    if held:
        local.hold(txn, CONFIG, 6)
    txn.commit()
    assert index.metadata.blob(REPO, CONFIG) == (6 if held else 7)


async def test_a_manifest_is_no_blob_for_being_named(open_node: OpenIndex):
    index = open_node()
    await with_child(index)
    await put(index, INDEX)
    assert index.metadata.blob(REPO, CHILD[0]) is None
    check(index, absent=[CONFIG])


async def test_a_named_child_can_be_named_again(open_node: OpenIndex):
    """Who hears of that has to have heard of the index that it was there for."""
    one, other, reader = open_node("a"), open_node("b"), open_node("c")
    await with_child(one)
    await hear(reader, one)
    await put(one, INDEX)
    await meet(one, other)
    await delete(other, CHILD)
    await forget(other)
    await store(other, "other")
    await put(other, OTHER)
    with pytest.raises(EventGap):
        await hear(reader, other)
    assert not reads(reader, CHILD, OTHER)
    await meet(one, other, reader)
    await delete(one, INDEX)
    await meet(one, other, reader)
    for node in (one, other, reader):
        await forget(node)
        assert reads(node, CHILD, OTHER)


@pytest.mark.parametrize("first", ["deletion", "index"])
async def test_an_index_that_is_pushed_while_its_child_is_deleted_has_it(
    open_node: OpenIndex, first: str
):
    """Broken: N1 drops the bytes with the deletion, and has an index without its child."""
    one, other = open_node("a"), open_node("b")
    await with_child(one)
    await meet(one, other)
    await delete(one, CHILD)
    assert not reads(one, CHILD)
    await put(other, INDEX)
    pair = (one, other) if first == "index" else (other, one)
    await meet(*pair)
    for node in pair:
        assert reads(node, CHILD, INDEX)
        await forget(node)
        assert reads(node, CHILD, INDEX)
    await delete(other, INDEX)
    await meet(*pair)
    for node in pair:
        await forget(node)
        assert not reads(node, CHILD, INDEX)
        assert rows_kept(node) == 0


async def test_an_index_names_what_one_that_is_just_deleted_named(open_node: OpenIndex):
    """
    Broken: N1 deletes the index that a child is there for, while N2 pushes another one; at N1 the
    child, whose own deletion was forgotten long ago, is gone.
    """
    one, other = open_node("a"), open_node("b")
    await with_child(one)
    await store(one, "other")
    await put(one, INDEX)
    await put(one, OUTER)
    await delete(one, INDEX)
    await delete(one, CHILD)
    await meet(one, other)
    for node in (one, other):
        await forget(node)
        assert reads(node, CHILD, INDEX)
    await delete(one, OUTER)
    assert not reads(one, CHILD, INDEX)
    await put(other, OTHER)
    await meet(one, other)
    for node in (one, other):
        assert reads(node, CHILD, OTHER)
        assert not reads(node, INDEX)


async def test_a_child_is_kept_until_all_its_deletions_are_stable(
    open_node: OpenIndex, wall: HandClock
):
    """
    N1 and N2 delete a child, N2 a little later and without having seen N3's push of it. N3 has
    heard of N2's deletion alone, so it still has the child, and pushes an index that names it.
    Broken: N1 drops the bytes as soon as the later deletion is stable.
    """
    one, two, three = open_node("a"), open_node("b"), open_node("c")
    await with_child(one)
    await meet(one, two, three)
    await with_child(three)
    await hear(one, three)
    before = one.replica.vector()
    await delete(one, CHILD)
    wall.ms += 1
    await delete(two, CHILD)
    for node in (one, three):
        await hear(node, two)
    await one.replica.forget_deletions({**one.replica.vector(), **before})
    await put(three, INDEX)
    await meet(one, two, three)
    for node in (one, two, three):
        assert reads(node, CHILD, INDEX)
        await forget(node)
        assert reads(node, CHILD, INDEX)


async def test_an_index_that_lacks_children_keeps_none(open_node: OpenIndex):
    """
    Broken: N1 has forgotten the deletion of a child, and N2 has not; so with an index that does
    without it N2 has it again, and N1 for ever not.
    """
    one, other = open_node("a"), open_node("b")
    await with_child(one)
    await store(one, "other")
    await delete(one, CHILD)
    await meet(one, other)
    await forget(one)
    await put(one, OTHER, "tag", lacks=(CHILD[0],))
    around = index_of(OTHER)
    await put(one, around)
    await meet(one, other)
    for node in (one, other):
        assert not reads(node, CHILD)
        assert node.metadata.manifest(REPO, OTHER[0]) == OTHER[1]
    await delete(one, OTHER)
    await meet(one, other)
    for node in (one, other):
        assert not reads(node, OTHER)
    # Pushed again with all that it names it keeps that.
    for each in (CHILD, OTHER):
        await put(one, each)
    await put(one, around)
    await delete(one, OTHER)
    await delete(one, CHILD)
    await meet(one, other)
    for node in (one, other):
        await forget(node)
        assert reads(node, CHILD, OTHER, around)


async def test_a_list_of_a_node_keeps_no_referrer(open_node: OpenIndex):
    """Broken: the list before the current one names it, and a deleted signature is served."""
    index = open_node()
    subject = digest_of("image")
    await push_index(index, REPO, fallback_tag(subject))
    await store(index, "signature", subject=subject)
    await store(index, "another", subject=subject)
    signature = manifest("signature", subject)
    assert reads(index, signature)
    await delete(index, signature)
    assert not reads(index, signature)


async def test_who_takes_over_a_checkpoint_has_what_is_kept(open_node: OpenIndex):
    one, other, newcomer = open_node("a"), open_node("b"), open_node("c")
    await with_child(one)
    await put(one, INDEX)
    await meet(one, other)
    await delete(one, CHILD)
    await restore(one, newcomer)
    assert reads(newcomer, CHILD, INDEX)
    await delete(one, INDEX)
    await restore(one, newcomer)
    assert not reads(newcomer, CHILD, INDEX)
    await put(other, index_of(INDEX))
    await hear(newcomer, other)
    assert reads(newcomer, CHILD, INDEX)


async def below(index: Index, depth: int, *children: Stored) -> Stored:
    """Push an index of *children* under *depth* more, all deleted but the outermost one."""
    around = [index_of(*children)]
    for _ in range(depth):
        around.append(index_of(around[-1]))
    for each in around:
        await put(index, each)
    for each in (*children, *around[:-1]):
        await delete(index, each)
    return around[-1]


async def test_the_way_up_from_all_that_a_push_names_is_gone_once(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: for each child of an index the writer walks up all the indexes above it."""
    index = open_node()
    children = [manifest(f"child {number}") for number in range(20)]
    for number in range(20):
        await store(index, f"child {number}")
    outermost = await below(index, 10, *children)
    monkeypatch.setattr(references, "PASSED_MAX", 10)
    again = index_of(*children[:-1])
    await put(index, again)
    await delete(index, outermost)
    assert reads(index, again, *children[:-1])


@pytest.mark.parametrize("bound", [9, 10])
async def test_who_names_what_is_far_below_pushes_it_again(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch, bound: int
):
    """Broken: one push holds up all others for minutes. Several ways count together."""
    index = open_node()
    await with_child(index)
    await store(index, "other")
    for each in (CHILD, manifest("other")):
        await below(index, 5, each)
    monkeypatch.setattr(references, "PASSED_MAX", bound)
    if bound < 10:
        with pytest.raises(ManifestInvalid, match="push what it names"):
            await put(index, OTHER)
        assert not reads(index, OTHER)
        await with_child(index)
    await put(index, OTHER)
    assert reads(index, OTHER, CHILD, manifest("other"))


MANY = [manifest(f"child {number}") for number in range(700)]


async def many(index: Index) -> Stored:
    await index.metadata.put(AddBlob(REPO, CONFIG, 6, held=True))
    for each in MANY:
        await put(index, each)
    named = index_of(*MANY)
    await put(index, named)
    for each in MANY:
        await delete(index, each)
    return named


async def test_an_index_of_700_deleted_children_goes_with_them(open_node: OpenIndex):
    index = open_node()
    named = await many(index)
    await forget(index)
    assert reads(index, named, *MANY)
    await delete(index, named)
    assert not reads(index, named, *MANY)
    await forget(index)
    assert rows_kept(index) == 0
    assert list(index.journal.store.scan("meta", b"naming", b"naminh")) == []


_family_of, _step = references._family_of, references._step


def _named_or_nothing(*args: Any) -> str | None:
    family = _family_of(*args)
    return family if family == references.NAMED else None


def _without_children(txn: Transaction, todo: Any, ahead: list[Any]) -> int:
    more: list[Any] = []
    done = _step(txn, todo, more)
    ahead += [each for each in more if each.digest == todo.digest]
    return done


def _with_children(txn: Transaction, todo: Any, ahead: list[Any]) -> int:
    """What is deleted takes its deleted children along, whatever else names them."""
    before = len(ahead)
    done = _step(txn, todo, ahead)
    if not rows.presence(txn, "manifests", todo.repository, todo.digest).present:
        for _, child in ahead[before:]:
            txn.delete(references.KEPT_BYTES, keys.join(todo.repository, child))
    return done


def _all_pushes(state: Presence) -> tuple[Dot, ...]:
    return state.dots


MUTANTS = {
    "bytes go with the deletion": (
        patch.object(references, "_family_of", _named_or_nothing),
        partial(test_an_index_that_is_pushed_while_its_child_is_deleted_has_it, first="index"),
    ),
    "the deletion of an index stops at the index": (
        patch.object(references, "_step", _without_children),
        test_what_is_named_by_what_is_named_is_there,
    ),
    "a deleted index takes its children along": (
        patch.object(references, "_step", _with_children),
        test_a_child_is_there_as_long_as_an_index_names_it,
    ),
    "what a deleted index named is there for ever": (
        patch.object(references, "_family_of", lambda *_: references.NAMED),
        test_a_child_is_there_as_long_as_an_index_names_it,
    ),
    "an index that lacks children counts": (
        patch.object(references, "anchors", _all_pushes),
        test_an_index_that_lacks_children_keeps_none,
    ),
    "a list that a node wrote counts": (
        patch.object(references, "anchors", _all_pushes),
        test_a_list_of_a_node_keeps_no_referrer,
    ),
    "what is kept is not in checkpoints": (
        patch.object(checkpoint, "SENT_FAMILIES", SHARED_FAMILIES),
        test_who_takes_over_a_checkpoint_has_what_is_kept,
    ),
}


@pytest.mark.parametrize("bug", MUTANTS)
async def test_each_of_these_bugs_is_noticed(open_node: OpenIndex, bug: str):
    mutant, story = MUTANTS[bug]
    with mutant, pytest.raises(AssertionError):
        await story(open_node)
