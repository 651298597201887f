"""
An index of an earlier format is brought to the current one, whatever stops the node on the way.

Those of formats 6 and 7 change no row; the one that is stopped everywhere is made up.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from cluster.objects.merge import Register
from node.errors.startup import StartupError
from node.index import keys, rows
from node.index.merkle import Sums
from node.index.migrations import FORMATS, Formats, Migration
from node.index.store import END, FAMILIES, Change, Mutation, OrderedStore, RangeDeletion
from tests.fakes.ordered_store import MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import push

FORMAT_ROW = keys.join("format")
OLD = keys.u64(FORMATS.current - 1)


def tags_by_digest(store: OrderedStore) -> Iterator[Sequence[Change]]:
    """Have rows that say which tags name a digest."""
    for key, value in store.scan("tags", b"", END):
        winner = rows.decode(Register, value).winner
        if winner is not None:
            repository, tag = keys.split(key)
            yield [Mutation("tagged", keys.join(repository, winner.value or "", tag), b"")]
    yield [RangeDeletion("merkle", b"", END), *Sums.recompute(store).stored()]


NEWER = Formats(FORMATS.current - 1, (tags_by_digest,))


async def index_of_today(open_node: OpenIndex) -> MemoryStore:
    store = MemoryStore()
    index = open_node("a", store)
    for tag in ("v1", "v2", "v3"):
        await push(index, "lib/app", tag, tag)
    index.writer.close()
    return store


def age(store: MemoryStore) -> MemoryStore:
    """Take out what the migration makes, and the sums over it, as an earlier version had it."""
    store.write([RangeDeletion(family, b"", END) for family in ("tagged", "merkle")])
    store.write([*Sums.recompute(store).stored(), Mutation("meta", FORMAT_ROW, OLD)])
    store.sync()
    return store


@pytest.mark.parametrize("earlier", [6, 7])
async def test_an_earlier_index_is_read_as_it_is(open_node: OpenIndex, earlier: int):
    """Broken: who upgrades has to copy the images out, or loses the logs."""
    store = await index_of_today(open_node)
    store.write([Mutation("meta", FORMAT_ROW, keys.u64(earlier))])
    before = {family: dict(store.scan(family, b"", END)) for family in FAMILIES}
    FORMATS.upgrade(store)
    after = {family: dict(store.scan(family, b"", END)) for family in FAMILIES}
    assert after.pop("meta") == {**before.pop("meta"), FORMAT_ROW: keys.u64(FORMATS.current)}
    assert after == before


class PowerCut(Exception):
    pass


class Mortal(MemoryStore):
    """Dies at its last write; what was not synced may be gone then."""

    def __init__(self, rows: MemoryStore, writes: int) -> None:
        super().__init__()
        self._families = rows._families
        self._left = writes

    def write(self, batch: Sequence[Change]) -> None:
        if not self._left:
            raise PowerCut
        self._left -= 1
        super().write(batch)


def every_row(store: MemoryStore) -> dict[str, list[tuple[bytes, bytes]]]:
    """But the epoch, which every start changes."""
    found = {family: list(store.scan(family, b"", END)) for family in FAMILIES}
    found["meta"] = [row for row in found["meta"] if row[0] != keys.join("epoch")]
    return found


async def test_an_old_index_becomes_one_of_today(open_node: OpenIndex):
    store = await index_of_today(open_node)
    today = every_row(store)
    age(store)
    assert every_row(store) != today
    index = open_node("a", store, formats=NEWER)
    assert every_row(store) == today
    assert await index.replica.check_rows(), "the sums are those of the new rows"


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("writes", range(6))
async def test_a_migration_that_is_cut_off_begins_again(
    open_node: OpenIndex, writes: int, synced: bool
):
    """Broken: a half migrated index is taken for one of the new format, or for damaged."""
    store = await index_of_today(open_node)
    today = every_row(store)
    mortal = Mortal(age(store), writes)
    with suppress(PowerCut):
        NEWER.upgrade(mortal)
        pytest.fail("it has more writes than the test cuts off")
    if not synced:
        mortal.crash()
    changed = store.get("meta", FORMAT_ROW) != OLD
    assert changed == (synced and writes > 0)
    if changed:
        earlier = Formats(FORMATS.current - 1, ())
        with pytest.raises(StartupError, match="newer version"):
            open_node("a", store, formats=earlier)
        assert not NEWER.is_current(store), "nobody may take the rows for whole"
    open_node("a", store, formats=NEWER)
    assert every_row(store) == today


async def test_migrations_run_in_turn(open_node: OpenIndex):
    """Each finds what the one before has left, and the last leaves the current format."""
    store = age(await index_of_today(open_node))
    ran: list[tuple[int, bytes | None]] = []

    def noting(number: int) -> Migration:
        def migrate(migrating: OrderedStore) -> Iterator[Sequence[Change]]:
            ran.append((number, migrating.get("meta", FORMAT_ROW)))
            yield []

        return migrate

    three = Formats(FORMATS.current - 2, (noting(1), noting(2), noting(3)))
    index = open_node("a", store, formats=three)
    assert ran == [(number, keys.u64(three.oldest + number)) for number in (2, 3)]
    index.writer.close()
    open_node("a", store, formats=three)
    assert len(ran) == 2, "what was done is not done again"


async def test_an_index_of_a_known_older_format_is_for_the_node_to_change(open_node: OpenIndex):
    """Broken: `atoll fsck` tells rows that are right by their own version as damage."""
    store = age(await index_of_today(open_node))
    with pytest.raises(StartupError, match="a start of the node"):
        NEWER.check_current(store)
    NEWER.upgrade(store)
    NEWER.check_current(store)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (FORMATS.current + 1, "newer version"),
        (FORMATS.oldest - 1, "upgrading.md"),
        (5, "has format 5, this version of Atoll needs 6: copy its images .* docs/upgrading.md"),
    ],
)
async def test_a_format_without_a_way_is_refused(open_node: OpenIndex, found: int, says: str):
    """Broken: rows are taken for what they are not, and nodes differ for ever."""
    store = MemoryStore()
    store.write([Mutation("meta", FORMAT_ROW, keys.u64(found))])
    before = every_row(store)
    with pytest.raises(StartupError, match=says):
        open_node("a", store)
    assert every_row(store) == before
