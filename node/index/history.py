"""
The history of tags: every write, deletions included, within constant bounds.

What is kept is a function of the writes alone: the latest `KEPT_MAX` by (stamp, dot), and of
those what is no more than `KEPT_DAYS` older than the newest. A project's policy narrows what is
*shown* (`node.registry.tags`), never what is kept: policies change, and two nodes that learned of
one in different orders would have trimmed differently.

Nothing is decided by it: the heads of a tag are a function of the events alone.
"""

from collections.abc import Sequence
from typing import Final

from cluster import COUNTER_BITS
from cluster.objects import Version, Written
from node.index import keys, rows
from node.index.journal import Transaction
from node.index.rows import HistoryRow, HistoryTotalsRow

KEPT_MAX: Final = 256
"""Writes kept of one tag, and the most that a project may ask for."""

KEPT_DAYS: Final = 365
"""Age, counted back from the newest write of the tag, up to which writes are kept."""

_KEPT: Final = KEPT_DAYS * 86_400_000 << COUNTER_BITS


def enter(txn: Transaction, repository: str, tag: str, entry: Written) -> None:
    """
    Add a write to the history of its tag, and trim it.

    Only the oldest rows are touched: a tag that is pushed all the time costs no more than a new
    one.
    """
    name = keys.join(repository, tag)
    key = keys.history(repository, tag, entry.version.stamp, entry.version.dot)
    totals = txn.get("histories", name)
    before = None if totals is None else rows.decode(HistoryTotalsRow, totals)
    after = _with(before, key, entry.version.stamp)
    row = HistoryRow(entry.version.value, entry.replaces, entry.version.who)
    txn.put("history", key, rows.encode(row))
    while not is_trimmed(after):
        after = _drop_oldest(txn, name, after)
    txn.put("histories", name, rows.encode(after))


def _with(before: HistoryTotalsRow | None, key: bytes, stamp: int) -> HistoryTotalsRow:
    """The totals with one more row."""
    if before is None:
        return HistoryTotalsRow(1, stamp, key)
    return HistoryTotalsRow(before.writes + 1, max(before.newest, stamp), min(before.oldest, key))


def read(key: bytes, value: bytes) -> Written:
    """Decode one row of the family."""
    stamp, dot = keys.read_history(key)
    row = rows.decode(HistoryRow, value)
    return Written(Version(dot, stamp, row.value, row.who), row.replaces)


def totals_of(oldest: bytes, kept: Sequence[Written]) -> HistoryTotalsRow:
    """The totals of a history that is *kept*, in order, from the row *oldest* on."""
    return HistoryTotalsRow(len(kept), kept[-1].version.stamp, oldest)


def is_trimmed(of: HistoryTotalsRow) -> bool:
    """Whether a history with these totals is within its bounds."""
    return of.writes <= KEPT_MAX and keys.read_history(of.oldest)[0] >= of.newest - _KEPT


def _drop_oldest(txn: Transaction, name: bytes, before: HistoryTotalsRow) -> HistoryTotalsRow:
    txn.delete("history", before.oldest)
    # From the dropped row on: what was dropped earlier may still be in the store's way.
    following = txn.page("history", before.oldest + b"\0", keys.after(name), 1)
    assert following, "the newest row is never dropped"
    return HistoryTotalsRow(before.writes - 1, before.newest, following[0][0])
