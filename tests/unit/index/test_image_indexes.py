"""Image indexes: who has one has what it names."""

import pytest

from cluster.errors import EventGap
from node.registry.values import AddBlob, PutManifest
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    CONFIG,
    REPO,
    check,
    digest_of,
    hear,
    index_of,
    manifest,
    store,
)


async def test_an_index_comes_behind_the_children_that_others_pushed(open_node: OpenIndex):
    """
    Broken: an index is acknowledged, whoever pushed one of its children loses the disk, and the
    child is gone: nobody else had to have it.
    """
    one, other, reader = open_node("a"), open_node("b"), open_node("c")
    await store(one, "child")
    await hear(other, one)
    digest, record = index_of(manifest("child"))
    await other.metadata.put(PutManifest(REPO, digest, record, ["t"]))
    with pytest.raises(EventGap):
        await hear(reader, other)
    check(reader, absent=[digest])
    await hear(reader, one)
    await hear(reader, other)
    check(reader, tags={"t": digest}, found=[digest_of("child")])


async def test_an_index_may_name_1001_manifests_that_somebody_else_pushed(open_node: OpenIndex):
    """Broken: an index of 159 kB is 400; or its push writes them all again."""
    one, other = open_node("a"), open_node("b")
    await one.metadata.put(AddBlob(REPO, CONFIG, 6, held=True))
    many = [manifest(f"child {number}") for number in range(1001)]
    for digest, record in many:
        await one.metadata.put(PutManifest(REPO, digest, record, []))
    await hear(other, one)
    event = await other.metadata.put(PutManifest(REPO, *index_of(*many), ["t"]))
    assert event.seq == 2, "the index and its tag, and nothing else"
