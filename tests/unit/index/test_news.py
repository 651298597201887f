"""What happened, read off what is written; and off the logs after a start."""

import pytest

from cluster.model import Digest, Key
from cluster.objects import Write
from node.index.index import Index
from node.index.news import ImageNews, Tails, tails
from node.registry.happenings import Happened, Happening
from node.registry.values import DeleteManifest, DeleteTag
from tests.unit.index import nodes
from tests.unit.index.conftest import OpenIndex


@pytest.fixture
async def index(open_node: OpenIndex) -> Index:
    return open_node()


def watched(index: Index) -> list[Happening]:
    found: list[Happening] = []
    index.observe(ImageNews(found.append, lambda slot: None))
    return found


def outline(found: list[Happening]) -> list[tuple[str, str, str]]:
    return [(each.kind.value, each.tag, each.digest[:12]) for each in sorted(found)]


async def some_writes(index: Index) -> list[tuple[str, str, str]]:
    """Two pushes, a deletion of a tag, and one of a manifest; and what is to be told of it."""
    await nodes.store(index, "one", "v1", "v2")
    await nodes.store(index, "two", "v1")
    await index.metadata.delete(DeleteTag(nodes.REPO, "v2"))
    await index.metadata.delete(DeleteManifest(nodes.REPO, nodes.digest_of("two")))
    one, two = (nodes.digest_of(text)[:12] for text in ("one", "two"))
    return [
        ("push", "v1", one),
        ("push", "v2", one),
        ("push", "v1", two),
        ("delete", "v2", ""),
        ("remove", "", two),
    ]


async def test_what_is_written_is_told(index: Index):
    found = watched(index)
    expected = await some_writes(index)
    assert outline(found) == expected
    assert {each.dot.node for each in found} == {index.replica.origin.node}


async def test_the_logs_tell_the_same(index: Index):
    found = watched(index)
    await some_writes(index)
    assert tails(index.journal, 1000, 1 << 20) == Tails(sorted(found), 0)


async def test_what_is_not_read_of_a_log_is_said_to_be_missing(index: Index):
    """Broken: after a start a page says that nothing else happened."""
    found = watched(index)
    for number in range(100):
        await nodes.store(index, f"text {number}", "v1")
    told = tails(index.journal, 100, 1 << 20)
    kept = [each for each in sorted(found) if each.stamp > told.complete_after]
    assert 0 < len(kept) < 100
    assert [each for each in told.found if each.stamp > told.complete_after] == kept


async def test_what_is_forgotten_is_said_to_be_missing(index: Index):
    found = watched(index)
    await nodes.store(index, "one", "v1")
    origin, end = index.replica.origin, index.journal.durable[index.replica.origin]
    await index.replica.trim({origin: end})
    await nodes.store(index, "two", "v1")
    first, second = sorted(found)
    assert first.stamp <= tails(index.journal, 1000, 1 << 20).complete_after < second.stamp
    assert [each.dot for each in tails(index.journal, 1000, 1 << 20).found] == [second.dot]


async def test_a_conflict_is_told_with_the_write_that_made_it(index: Index):
    found = watched(index)
    await nodes.store(index, "one", "v1")
    write = Write((), Digest.of(b"other"))
    theirs = nodes.foreign(index, 1, Key("tag", nodes.REPO, "v1"), write)
    await index.replica.apply([theirs])
    [conflict] = [each for each in found if each.kind is Happened.CONFLICT]
    assert (conflict.dot, conflict.tag) == (theirs.dot, "v1")
