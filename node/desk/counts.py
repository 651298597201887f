"""What is counted of a repository, and how: from its rows, page by page."""

from collections.abc import AsyncGenerator, Container
from contextlib import aclosing
from typing import Final, Protocol

import msgspec

from cluster.model import Dot
from cluster.objects import Presence, Register
from node.desk.pace import Pace
from node.index import keys, rows
from node.index.rows import RepositoryRow

ROWS_TOGETHER: Final = 500
"""Rows between two looks at the time: a millisecond."""

_TAGS_OF_A_PUSH: Final = 50
"""Tags of one manifest that are looked at for who pushed it last."""


_Rows = list[tuple[bytes, bytes]]


class RowReader(Protocol):
    """The rows of the index, as `node.index.queries` reads them. All raise `StorageFailure`, and
    `NotCaughtUp` while a checkpoint is being taken over."""

    def get(self, family: str, key: bytes) -> bytes | None: ...

    def page(self, family: str, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """The first *limit* rows with *start* <= key < *stop*, in order."""
        ...


class RepositoryCounts(msgspec.Struct, frozen=True, gc=False):
    """What there is in a repository."""

    name: str

    tags: int
    """Those that are served."""

    bytes: int
    """Of the blobs that are linked in it, each counted once."""

    pushed: int
    """The stamp of the last push of a manifest that is there."""

    who: str
    """Who that was; empty where no tag tells it."""

    conflicts: int
    """Tags whose heads disagree."""


async def repositories(rows_of: RowReader, pace: Pace) -> AsyncGenerator[str, None]:
    """The names of all, with a manifest or without, in byte order."""
    start, stop = b"", b"\xff"
    while page := rows_of.page("repositories", start, stop, ROWS_TOGETHER):
        for key, _ in page:
            yield keys.split(key)[0]
        start = page[-1][0] + b"\0"
        await pace.turn()


async def count(rows_of: RowReader, repository: str, pace: Pace) -> RepositoryCounts | None:
    """
    Count what is in *repository*; None: it has no manifest. What is written meanwhile may be
    counted or not.
    """
    row = rows_of.get("repositories", keys.join(repository))
    if row is None or rows.decode(RepositoryRow, row).manifests <= 0:
        return None
    size = 0
    async with aclosing(_pages(rows_of, "blobs", repository, pace)) as pages:
        async for page in pages:
            latest = (rows.decode(Presence, value).latest for _, value in page)
            size += sum(int(push.note) for push in latest if push is not None)
    tags, last, newest = 0, None, ""
    async with aclosing(_pages(rows_of, "manifests", repository, pace)) as pages:
        async for page in pages:
            pushes = {keys.split(key)[1]: rows.decode(Presence, row).latest for key, row in page}
            present = {digest: push for digest, push in pushes.items() if push is not None}
            for digest, push in present.items():
                if last is None or push.stamp > last.stamp:
                    last, newest = push, digest
            tags += await _tags_of(rows_of, repository, page, present, pace)
    conflicts = 0
    async with aclosing(_pages(rows_of, "conflicts", repository, pace)) as pages:
        async for page in pages:
            conflicts += len(page)
            # Each was counted once for each of its values.
            tags += sum(_served(rows_of, repository, keys.split(key)[1]) for key, _ in page)
    if last is None:
        return None  # it was deleted meanwhile
    who = _who(rows_of, repository, newest, last.dot)
    return RepositoryCounts(repository, tags, size, last.stamp, who, conflicts)


async def _tags_of(
    rows_of: RowReader,
    repository: str,
    manifests: _Rows,
    present: Container[str],
    pace: Pace,
) -> int:
    """How many tags point to those of some *manifests* that are *present*."""
    found, within = 0, (manifests[0][0], keys.after(manifests[-1][0]))
    async with aclosing(_pages(rows_of, "tagged", repository, pace, *within)) as pages:
        async for page in pages:
            found += sum(keys.split(key)[1] in present for key, _ in page)
    return found


async def _pages(
    rows_of: RowReader,
    family: str,
    repository: str,
    pace: Pace,
    start: bytes = b"",
    stop: bytes = b"",
) -> AsyncGenerator[_Rows, None]:
    # From key to key: a scan that is kept open over a rest would keep a store from being recovered.
    prefix = keys.join(repository)
    start, stop = start or prefix, stop or keys.after(prefix)
    while page := rows_of.page(family, start, stop, ROWS_TOGETHER):
        yield page
        await pace.turn()
        if len(page) < ROWS_TOGETHER:
            return
        start = page[-1][0] + b"\0"


def _served(rows_of: RowReader, repository: str, tag: str) -> int:
    """What to add for a tag in conflict, so that it counts once if it is served, or not at all."""
    row = rows_of.get("tags", keys.join(repository, tag))
    register = Register() if row is None else rows.decode(Register, row)
    values = {head.value for head in register.heads if head.value is not None}
    there = {value for value in values if is_present(rows_of, repository, value)}
    winner = register.winner
    return int(winner is not None and winner.value in there) - len(there)


def is_present(rows_of: RowReader, repository: str, digest: str) -> bool:
    """Whether somebody pushed the manifest and nobody deleted it."""
    row = rows_of.get("manifests", keys.join(repository, digest))
    return row is not None and rows.decode(Presence, row).present


def _who(rows_of: RowReader, repository: str, digest: str, event: Dot) -> str:
    """Who pushed the manifest by *event*: a tag that was written right behind it tells that."""
    prefix = keys.join(repository, digest)
    for key, _ in rows_of.page("tagged", prefix, keys.after(prefix), _TAGS_OF_A_PUSH):
        row = rows_of.get("tags", keys.join(repository, keys.split(key)[2]))
        if row is None:
            continue
        for head in rows.decode(Register, row).heads:
            behind = head.dot.seq - event.seq
            if head.dot.origin == event.origin and 0 < behind <= _TAGS_OF_A_PUSH and head.who:
                return head.who
    return ""
