"""
The history of tags: every write, deletions and withdrawals included, within constant bounds.

What is kept is a function of the writes alone: the latest `KEPT_MAX` by (stamp, dot), and of
those what is no more than `KEPT_DAYS` older than the newest. A project's policy narrows what is
*shown* (`node.registry.tags`), never what is kept: policies change, and two nodes that learned of
one in different orders would have trimmed differently (decision 6).
"""

from collections.abc import Sequence
from typing import Final

from cluster.clock import COUNTER_BITS
from cluster.gossip.merge import Version, Written
from node.index import keys, rows
from node.index.journal import Transaction
from node.index.rows import HistoryRow, HistoryTotalsRow

KEPT_MAX: Final = 256
"""Writes kept of one tag, and the most that a project may ask for."""

KEPT_DAYS: Final = 365
"""Age, counted back from the newest write of the tag, up to which writes are kept."""

_KEPT: Final = KEPT_DAYS * 86_400_000 << COUNTER_BITS


def enter(txn: Transaction, repository: str, tag: str, entry: Written) -> HistoryTotalsRow:
    """
    Add a write to the history of its tag and trim it; returns the new totals.

    Touches the oldest rows only: a tag that is pushed all the time costs no more than a new one.
    """
    version = entry.version
    key = keys.history(repository, tag, version.stamp, version.dot)
    row = HistoryRow(version.value, entry.replaces, entry.withdraws, entry.restores)
    before = totals(txn, repository, tag)
    if before is None:
        after = HistoryTotalsRow(1, int(bool(row.withdraws)), version.stamp, key)
    else:
        after = HistoryTotalsRow(
            before.writes + 1,
            before.withdrawals + bool(row.withdraws),
            max(before.newest, version.stamp),
            min(before.oldest, key),
        )
    txn.put("history", key, rows.encode(row))
    while after.writes > KEPT_MAX or keys.read_history(after.oldest)[0] < after.newest - _KEPT:
        after = _drop_oldest(txn, keys.join(repository, tag), after)
    txn.put("histories", keys.join(repository, tag), rows.encode(after))
    return after


def totals(txn: Transaction, repository: str, tag: str) -> HistoryTotalsRow | None:
    """What is in the history of a tag; None before the first write."""
    row = txn.get("histories", keys.join(repository, tag))
    return None if row is None else rows.decode(HistoryTotalsRow, row)


def kept(txn: Transaction, repository: str, tag: str) -> list[Written]:
    """The whole history of a tag, oldest first."""
    return [read(key, value) for key, value in txn.scan("history", keys.join(repository, tag))]


def read(key: bytes, value: bytes) -> Written:
    """Decode one row of the family."""
    stamp, dot = keys.read_history(key)
    row = rows.decode(HistoryRow, value)
    return Written(Version(dot, stamp, row.value), row.replaces, row.withdraws, row.restores)


def totals_of(found: Sequence[tuple[bytes, bytes]]) -> HistoryTotalsRow:
    """The totals that belong to these rows, which are all of one tag and in order."""
    withdrawals = sum(bool(rows.decode(HistoryRow, value).withdraws) for _, value in found)
    newest = keys.read_history(found[-1][0])[0]
    return HistoryTotalsRow(len(found), withdrawals, newest, found[0][0])


def is_trimmed(of: HistoryTotalsRow) -> bool:
    """Whether a history with these totals is within its bounds."""
    return of.writes <= KEPT_MAX and keys.read_history(of.oldest)[0] >= of.newest - _KEPT


def _drop_oldest(txn: Transaction, prefix: bytes, before: HistoryTotalsRow) -> HistoryTotalsRow:
    row = txn.get("history", before.oldest)
    assert row is not None, "the totals name the oldest row"
    txn.delete("history", before.oldest)
    # From the dropped row on: what was dropped earlier may still be in the store's way.
    following = txn.first("history", before.oldest + b"\0", keys.after(prefix))
    assert following is not None, "the newest row is never dropped"
    withdrawals = before.withdrawals - bool(rows.decode(HistoryRow, row).withdraws)
    return HistoryTotalsRow(before.writes - 1, withdrawals, before.newest, following[0])
