"""
The format of an index, and how one of an earlier version becomes one of this.

A migration says what changes, batch by batch. A crash leaves the batches before it, and the next
start runs the same migration from its beginning: it has to come to the same end over rows that it
has changed already. Until its end the index says `migrating`, and has the new format's number, so
that the earlier version refuses what is neither the one nor the other.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from node.errors.startup import StartupError
from node.index import keys
from node.index.store import Change, Mutation, OrderedStore

Migration = Callable[[OrderedStore], Iterator[Sequence[Change]]]
"""From one format to the next. It may read what its earlier batches wrote. Where it changes what
the sums are taken over, its last batch has the new sums (`Sums.recompute`)."""

_FORMAT: Final = keys.join("format")

_MIGRATING: Final = keys.join("migrating")
"""Row of `meta` that is there while a migration runs: the format that it began with."""


class Formats(NamedTuple):
    """What a version of Atoll can open: its own format, and those that it has migrations for."""

    oldest: int
    migrations: tuple[Migration, ...]
    """The first from *oldest* to the next, and so on."""

    @property
    def current(self) -> int:
        """Version of the key layout, the rows and the events that this version writes."""
        return self.oldest + len(self.migrations)

    def check(self, store: OrderedStore) -> int:
        """
        Return the format that *store* has, if it can be brought to the current one.

        Raises:
            StartupError: with both formats, and what to do.
        """
        found = _format(store, self.current)
        if found > self.current:
            raise StartupError(
                f"the data directory has format {found}, this version of Atoll knows "
                f"{self.current}: use the newer version"
            )
        if found < self.oldest:
            raise StartupError(
                f"the data directory has format {found}, this version of Atoll needs "
                f"{self.oldest}: copy its images into a new one, as docs/upgrading.md shows"
            )
        return found

    def is_current(self, store: OrderedStore) -> bool:
        """Whether this version can read the rows of *store* as they are."""
        return _format(store, self.current) == self.current

    def check_current(self, store: OrderedStore) -> None:
        """
        Return if *store* has the current format: for who only reads.

        Raises:
            StartupError: it has another one.
        """
        found = self.check(store)
        if found < self.current:
            raise StartupError(
                f"the data directory has format {found}: a start of the node brings it to "
                f"{self.current}"
            )

    def upgrade(self, store: OrderedStore) -> None:
        """
        Bring *store*, which `check` accepts, to the current format. What is returned from is
        durable.

        Raises:
            StorageFailure: the storage failed; the next attempt goes on.
        """
        for number in range(self.check(store), self.current):
            store.write(
                [
                    Mutation("meta", _FORMAT, keys.u64(number + 1)),
                    Mutation("meta", _MIGRATING, keys.u64(number)),
                ]
            )
            for batch in self.migrations[number - self.oldest](store):
                store.write(batch)
            store.write([Mutation("meta", _MIGRATING, None)])
        store.write([Mutation("meta", _FORMAT, keys.u64(self.current))])
        store.sync()


def _format(store: OrderedStore, new: int) -> int:
    """The format of the rows in *store*, the older one in the middle of a migration."""
    stored = store.get("meta", _FORMAT)
    if stored is None or keys.read_u64(stored) > new:
        return new if stored is None else keys.read_u64(stored)
    began = store.get("meta", _MIGRATING)
    return keys.read_u64(stored if began is None else began)


def _to_7(_: OrderedStore) -> Iterator[Sequence[Change]]:
    """All rows of format 6 are as they were. There are new ones, which it could not read."""
    return iter(())


def _to_8(_: OrderedStore) -> Iterator[Sequence[Change]]:
    """Likewise: a row without who asked is one of which that is not known."""
    return iter(())


FORMATS: Final = Formats(oldest=6, migrations=(_to_7, _to_8))
"""
    1, 2  before a refused write was an unknown outcome: pushes could be withdrawn; no migration
    3     a deletion hid what it had seen only; no migration
    4     deletions compete by their stamps; no migration
    5     what a manifest names has rows, by which it can be read when it is deleted; no migration
    6     the disk has a name, and the control log: who belongs to the cluster is agreed on
    7     one row of `vector` stands for the retired logs of a node
    8     events, and the rows of tags and settings, say who asked for them
"""
