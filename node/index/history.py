"""
The history of tags: every write, deletions and withdrawals included, within constant bounds.

What is kept is a function of the writes alone: the latest `KEPT_MAX` by (stamp, dot), and of
those what is no more than `KEPT_DAYS` older than the newest. A project's policy narrows what is
*shown* (`node.registry.tags`), never what is kept: policies change, and two nodes that learned of
one in different orders would have trimmed differently (decision 6).

The totals keep the heads of what is dropped (`merge.trimmed`): with them the rest says the same of
the tag as the whole history would.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from cluster.clock import COUNTER_BITS
from cluster.gossip import merge
from cluster.gossip.merge import Left, Version, Written
from node.index import keys, rows
from node.index.journal import Transaction
from node.index.rows import HistoryRow, HistoryTotalsRow, TrimmedTotalsRow

KEPT_MAX: Final = 256
"""Writes kept of one tag, and the most that a project may ask for."""

KEPT_DAYS: Final = 365
"""Age, counted back from the newest write of the tag, up to which writes are kept."""

Row = tuple[bytes, bytes]

_KEPT: Final = KEPT_DAYS * 86_400_000 << COUNTER_BITS


def enter(
    txn: Transaction, repository: str, tag: str, entry: Written, heads: Iterable[Version]
) -> tuple[Version, ...] | None:
    """
    Add a write to the history of its tag, whose *heads* were these, and trim it.

    Returns the heads that there are now, if only the history can tell; None if the write does.
    Then nothing but the oldest rows is touched: a tag that is pushed all the time costs no more
    than a new one.
    """
    name = keys.join(repository, tag)
    key = keys.history(repository, tag, entry.version.stamp, entry.version.dot)
    after = _with(totals(txn, repository, tag), heads, key, entry)
    _put(txn, key, entry)
    if after.withdrawals or any(item.doubtful for item in after.left):
        found = txn.scan("history", name)
        return _trim_all(txn, name, entry, found, after.left)
    while not is_trimmed(after):
        after = _drop_oldest(txn, name, after)
    txn.put("histories", name, encode(after))
    return None


def _with(
    before: TrimmedTotalsRow | None, heads: Iterable[Version], key: bytes, entry: Written
) -> TrimmedTotalsRow:
    """The totals with one more row."""
    stamp, withdrawals = entry.version.stamp, int(bool(entry.withdraws))
    if before is None:
        return TrimmedTotalsRow(1, withdrawals, stamp, key)
    return TrimmedTotalsRow(
        before.writes + 1,
        before.withdrawals + withdrawals,
        max(before.newest, stamp),
        min(before.oldest, key),
        left_of(before, heads),
    )


def _trim_all(
    txn: Transaction, name: bytes, entry: Written, found: Sequence[Row], left: Sequence[Left]
) -> tuple[Version, ...]:
    """Trim a history that has been read; returns the heads."""
    every = [read(*row) for row in found]
    left = merge.certain(every, left, entry)
    oldest = every[-1].version.stamp - _KEPT
    count = max(len(every) - KEPT_MAX, sum(each.version.stamp < oldest for each in every))
    for key, _ in found[:count]:
        txn.delete("history", key)
    left = merge.trimmed(every, left, count)
    txn.put("histories", name, encode(totals_of(found[count][0], every[count:], left)))
    return merge.standing(every[count:], left)


def totals(txn: Transaction, repository: str, tag: str) -> TrimmedTotalsRow | None:
    """What is in the history of a tag; None before the first write."""
    row = txn.get("histories", keys.join(repository, tag))
    return None if row is None else rows.decode(TrimmedTotalsRow, row)


def encode(of: TrimmedTotalsRow) -> bytes:
    """The row of these totals; where nothing is left, as versions wrote it that kept no rest."""
    if of.left:
        return rows.encode(of)
    return rows.encode(HistoryTotalsRow(of.writes, of.withdrawals, of.newest, of.oldest))


def left_of(of: TrimmedTotalsRow, heads: Iterable[Version]) -> tuple[Left, ...]:
    """
    What trimming has left of the history of a tag with these *heads*.

    Where an older version trimmed it, what was a head then is all that is known.
    """
    if of.left:
        return of.left
    oldest = keys.read_history(of.oldest)
    return tuple(Left(head) for head in heads if (head.stamp, head.dot) < oldest)


def kept(txn: Transaction, repository: str, tag: str) -> list[Written]:
    """The whole history of a tag, oldest first."""
    return [read(key, value) for key, value in txn.scan("history", keys.join(repository, tag))]


def read(key: bytes, value: bytes) -> Written:
    """Decode one row of the family."""
    stamp, dot = keys.read_history(key)
    row = rows.decode(HistoryRow, value)
    return Written(Version(dot, stamp, row.value), row.replaces, row.withdraws, row.restores)


def totals_of(oldest: bytes, kept: Sequence[Written], left: tuple[Left, ...]) -> TrimmedTotalsRow:
    """The totals of a history that is *kept*, in order, from the row *oldest* on."""
    withdrawals = sum(bool(entry.withdraws) for entry in kept)
    return TrimmedTotalsRow(len(kept), withdrawals, kept[-1].version.stamp, oldest, left)


def is_trimmed(of: HistoryTotalsRow) -> bool:
    """Whether a history with these totals is within its bounds."""
    return of.writes <= KEPT_MAX and keys.read_history(of.oldest)[0] >= of.newest - _KEPT


def _put(txn: Transaction, key: bytes, entry: Written) -> None:
    row = HistoryRow(entry.version.value, entry.replaces, entry.withdraws, entry.restores)
    txn.put("history", key, rows.encode(row))


def _drop_oldest(txn: Transaction, name: bytes, before: TrimmedTotalsRow) -> TrimmedTotalsRow:
    """Drop the oldest row of a history without withdrawals."""
    row = txn.get("history", before.oldest)
    assert row is not None, "the totals name the oldest row"
    txn.delete("history", before.oldest)
    # From the dropped row on: what was dropped earlier may still be in the store's way.
    following = txn.first("history", before.oldest + b"\0", keys.after(name))
    assert following is not None, "the newest row is never dropped"
    left = merge.trimmed([read(before.oldest, row)], before.left, 1)
    return TrimmedTotalsRow(before.writes - 1, 0, before.newest, following[0], left)
