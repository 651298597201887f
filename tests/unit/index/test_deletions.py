"""Deleting a manifest, and with it every tag that points to it."""

import pytest

from cluster.objects import Deletion
from node.errors import ManifestInvalid
from node.index import objects, rows
from node.index.store import END
from node.registry import manifests, structure
from node.registry.values import DeleteBlob, DeleteManifest, DeleteTag
from tests.builders import HandClock
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    CONFIG,
    REPO,
    check,
    digest_of,
    exchange,
    log_of,
    manifest,
    push,
    restore,
    rows_of,
    store,
)


async def test_tags_on_which_it_lost_go_too(open_node: OpenIndex):
    """Pushed elsewhere at the same time, they have two heads; the other one stays."""
    one, other = open_node("a"), open_node("b")
    tags = [f"t{number:04}" for number in range(300)]
    await store(one, "x", *tags)
    await store(other, "y", *tags)
    await exchange(one, other)
    winner = one.metadata.tag(REPO, tags[0])
    [loser] = {digest_of("x"), digest_of("y")} - {winner}
    assert await one.metadata.delete(DeleteManifest(REPO, loser)) is not None
    await exchange(one, other)
    for node in (one, other):
        check(node, tags=dict.fromkeys(tags, winner), conflicts=[])


async def test_what_an_earlier_version_took_can_be_deleted(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: the manifest that a bound was made for stays for ever, on every node."""
    one, other = open_node("a"), open_node("b")
    digest = await push(one, REPO, "x", "tag", subject=CONFIG)
    await exchange(one, other)
    monkeypatch.setattr(structure, "TOKENS_MAX", 10)
    manifests._parse_small.cache_clear()
    with pytest.raises(ManifestInvalid):
        manifests.parse_manifest(digest, manifest("x", CONFIG)[1].body)
    assert await one.metadata.delete(DeleteManifest(REPO, digest)) is not None
    await exchange(one, other)
    for node in (one, other):
        check(node, tags={}, absent=[digest])
        assert node.metadata.referrers(REPO, CONFIG, frozenset(), "", 10)[0] == []
    assert one.replica.quarantined() == other.replica.quarantined() == 0


async def test_a_push_that_failed_does_not_surface_after_its_deletion(
    open_node: OpenIndex, wall: HandClock
):
    """
    Broken: W's push got 503, the client repeated it at R and deleted the image; W comes back, and
    so does the image: by tag, by digest, after the log was trimmed, on a node that joined later.
    """
    lone, one, newcomer = open_node("w"), open_node("r"), open_node("n")
    digest = await push(lone, REPO, "x", "tag")
    late = log_of(lone)
    wall.ms += 3_000
    await push(one, REPO, "x", "tag")
    await one.metadata.delete(DeleteTag(REPO, "tag"))
    await one.metadata.delete(DeleteManifest(REPO, digest))
    await one.metadata.delete(DeleteBlob(REPO, CONFIG))
    # Not stable yet: nobody has said that it has what W has.
    await one.replica.forget_deletions(dict.fromkeys(one.replica.vector(), 0))
    await one.replica.trim(one.replica.vector())
    await restore(one, newcomer)
    for node in (one, newcomer):
        await node.replica.apply(late)
        check(node, tags={}, absent=[digest])
        assert node.metadata.blob(REPO, CONFIG) is None
    assert rows_of(one) == rows_of(newcomer)


async def test_a_push_within_the_bound_of_clocks_survives_a_delete_that_had_not_seen_it(
    open_node: OpenIndex, wall: HandClock
):
    """Broken: an acknowledged push is taken away by a delete of another region at the same time."""
    one, other = open_node("a"), open_node("b")
    digest = await push(other, REPO, "x")
    wall.ms += 1_900
    await push(one, REPO, "x")
    await one.metadata.delete(DeleteManifest(REPO, digest))
    await exchange(one, other)
    for node in (one, other):
        check(node, found=[digest])


async def test_deletions_are_forgotten_once_they_are_settled(open_node: OpenIndex):
    """Broken: a row for ever for each tag that ever was; or none of those beyond a page."""
    index = open_node()
    tags = [f"t{number}" for number in range(objects.FORGOTTEN_TOGETHER + 1)]
    await push(index, REPO, "x", *tags)
    for tag in tags:
        await index.metadata.delete(DeleteTag(REPO, tag))
    [before] = index.replica.vector().items()
    kept = list(index.journal.store.scan("deletions", b"", END))
    assert len(kept) == len(tags)
    last = await index.metadata.delete(DeleteManifest(REPO, digest_of("x")))
    assert last is not None
    await index.replica.forget_deletions(dict([before]))
    [(_, row)] = index.journal.store.scan("deletions", b"", END)
    assert rows.decode(Deletion, row).dot == last
    await index.replica.forget_deletions(index.replica.vector())
    assert list(index.journal.store.scan("deletions", b"", END)) == []
