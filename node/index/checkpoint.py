"""
Checkpoints: the whole shared state at one vector, read by a peer and taken over by it.

The reader gives up its own objects first and keeps its logs. The marker `restoring` is durable
before the first row goes, and goes with the last change: a crash in between leaves a node that
serves nothing and begins again.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from cluster import vectors
from cluster.errors import CheckpointUnavailable, NotCaughtUp
from cluster.model import CheckpointHead, CheckpointPart, Event, Origin, Stamp, Vector
from cluster.objects import decode_event, in_causal_order
from node.index import keys, objects, rows
from node.index.journal import RESTORING, TOTALS, Journal, Transaction, forget_log
from node.index.merkle import RowChange, Sums
from node.index.quarantine import FAMILY as QUARANTINE
from node.index.quarantine import Quarantine, event_of
from node.index.rows import HolderRow, TotalsRow
from node.index.store import (
    END,
    SENT_FAMILIES,
    Change,
    Mutation,
    RangeDeletion,
    StoreSnapshot,
)

_PART_BYTES: Final = 256 << 10
"""Rows in one part; one row at least. A part is read between two turns of the event loop, and this
much takes 2 to 3 ms."""

_Row = tuple[str, bytes, bytes]
_ROWS: Final = msgspec.msgpack.Decoder(list[_Row])
_ENCODER: Final = msgspec.msgpack.Encoder()


class _Seal(msgspec.Struct, frozen=True, array_like=True):
    stamp: int
    manifests: int
    sums: bytes


class IndexCheckpoint:
    """`cluster.ports.Checkpoint` over a snapshot. Made on the writer thread, between changes."""

    def __init__(self, journal: Journal) -> None:
        if journal.restoring:
            raise NotCaughtUp("this node is itself taking over an index")
        self._snapshot: StoreSnapshot = journal.store.snapshot(SENT_FAMILIES)
        seal = _Seal(journal.clock.tick(Stamp(0)), journal.totals.manifests, journal.sums.encode())
        self._head = CheckpointHead(dict(journal.applied), journal.sums.rows, _ENCODER.encode(seal))

    @property
    def head(self) -> CheckpointHead:
        return self._head

    def part(self, after: bytes) -> CheckpointPart:
        first, start = SENT_FAMILIES[0], b""
        if after:
            name, _, start = after.partition(b"\0")
            first = name.decode()
        if first not in SENT_FAMILIES:
            raise ValueError(f"{first[:40]!r} is no part of a checkpoint")
        found: list[_Row] = []
        size = 0
        for family in SENT_FAMILIES[SENT_FAMILIES.index(first) :]:
            for key, value in self._snapshot.scan(family, start, END):
                if found and size + len(value) > _PART_BYTES:
                    return CheckpointPart(
                        _ENCODER.encode(found), len(found), family.encode() + b"\0" + key
                    )
                found.append((family, key, value))
                size += len(key) + len(value)
            start = b""
        return CheckpointPart(_ENCODER.encode(found), len(found), b"")

    def close(self) -> None:
        self._snapshot.close()


class Restore:
    """One attempt to take over a checkpoint. Everything runs on the writer thread."""

    def __init__(self, journal: Journal, head: CheckpointHead) -> None:
        """
        Give up the objects.

        Raises:
            CheckpointUnavailable: the checkpoint lacks what is gone from the logs here, or its
                seal cannot be read.
        """
        self._journal = journal
        marks = vectors.marks(journal.applied)
        if lacking := vectors.unmet(head.vector, marks):
            raise CheckpointUnavailable(
                f"it does not have all of the logs of {', '.join(lacking)} that are retired here"
            )
        for origin, floor in journal.floor.items():
            if vectors.reached(head.vector, origin) < floor:
                raise CheckpointUnavailable(
                    f"it has {origin.node}/{origin.epoch} up to {head.vector.get(origin, 0)}, "
                    f"the log here begins after {floor}"
                )
        if vectors.is_retired(head.vector, journal.origin):
            # Whoever has this run's log for a retired one refuses it; a later run is to begin.
            raise CheckpointUnavailable("this run's log is retired there")
        # What is retired here is complete there. It stays retired, as peers were told.
        self._vector: Vector = vectors.raised(head.vector, marks)
        try:
            self._seal = msgspec.msgpack.decode(head.seal, type=_Seal)
        except msgspec.MsgspecError as exc:
            raise CheckpointUnavailable(f"its seal cannot be read: {exc}") from exc
        self._sums = Sums()
        self._recoveries = journal.recoveries
        journal.store.write([Mutation("meta", RESTORING, b"")])
        journal.store.sync()
        # With what was changed before it in the same group of the writer: that is acknowledged too.
        journal.mark_durable()
        self._have: Vector = dict(journal.durable)
        journal.restoring = True
        given_up = (*SENT_FAMILIES, "own", "merkle")
        journal.store.write([RangeDeletion(family, b"", END) for family in given_up])

    def load(self, part: CheckpointPart) -> None:
        """
        Write the rows of one part.

        Raises:
            CheckpointUnavailable: it cannot be read, or one before it is gone.
        """
        self._check_nothing_lost()
        try:
            found = _ROWS.decode(part.data)
            for family, _, value in found:
                if family == QUARANTINE:
                    event_of(value)
        except msgspec.MsgspecError as exc:
            raise CheckpointUnavailable(f"a part cannot be read: {exc}") from exc
        for family, _, _ in found:
            if family not in SENT_FAMILIES:
                raise CheckpointUnavailable(f"it has rows of {family[:40]!r}")
        self._sums, _ = self._sums.after(RowChange(f, key, None, value) for f, key, value in found)
        own = [row for row in found if row[0] == "holders" and self._is_own(row)]
        self._journal.store.write(
            [
                *(Mutation(*row) for row in found),
                *(Mutation("own", keys.join(keys.split(key)[0]), value) for _, key, value in own),
            ]
        )

    def _check_nothing_lost(self) -> None:
        # The part that met a full disk is not there, though the sums here have counted it.
        if self._journal.recoveries != self._recoveries:
            raise CheckpointUnavailable("the disk was full meanwhile, and a part of it is gone")

    def _is_own(self, row: _Row) -> bool:
        """Whether the holder row is one of this node, which says that it holds the blob."""
        _, key, value = row
        return (
            keys.split(key)[1] == self._journal.origin.node and rows.decode(HolderRow, value).held
        )

    def finish(self) -> None:
        """
        Apply what the logs here have beyond the checkpoint, and serve again.

        Raises:
            CheckpointUnavailable: the rows are not those of the seal, or a part is gone.
        """
        self._check_nothing_lost()
        if self._sums.encode() != self._seal.sums:
            raise CheckpointUnavailable("what came is not what its sums say")
        journal, store = self._journal, self._journal.store
        store.write(self._closing_rows())
        journal.applied = dict(self._vector)
        journal.sums, journal.totals = self._sums, TotalsRow(self._seal.manifests)
        journal.quarantine = Quarantine.load(store)
        journal.load_own()
        self._apply_beyond()
        objects.retry(journal)
        journal.finish_work()  # that of an attempt which failed here
        journal.clock.resume(Stamp(self._seal.stamp))
        store.write([*journal.remember_stamp(self._seal.stamp), Mutation("meta", RESTORING, None)])
        journal.restoring = False

    def _closing_rows(self) -> list[Change]:
        """Vector, floors, totals and sums: all but the marker."""
        batch: list[Change] = [RangeDeletion("vector", b"", END)]
        floor = dict(self._journal.floor)
        for origin, seq in self._vector.items():
            batch.append(Mutation("vector", keys.origin(origin), keys.reach(origin, seq)))
            if self._have.get(origin, 0) < seq and not vectors.is_mark(origin):
                # The events between are not here, so the log cannot go on where it ended.
                batch += forget_log(origin, seq)
                floor[origin] = seq
        for origin in vectors.stood_for({*self._have, *floor}, self._vector):
            batch += forget_log(origin, self._have.get(origin, 0))
            batch.append(Mutation("floor", keys.origin(origin), None))
            floor.pop(origin, None)
        self._journal.floor = floor
        batch.append(Mutation("meta", TOTALS, rows.encode(TotalsRow(self._seal.manifests))))
        return [*batch, *self._sums.stored()]

    def _apply_beyond(self) -> None:
        """What only this node may have: acknowledged here, and not yet at the checkpoint's node."""
        logs = [
            self._log(origin, self._vector.get(origin, 0), end)
            for origin, end in vectors.logs(self._have)
            if end > vectors.reached(self._vector, origin)
        ]
        for event in in_causal_order(logs):
            txn = Transaction(self._journal)
            objects.apply(txn, event)
            txn.commit()

    def _log(self, origin: Origin, after: int, end: int) -> Iterator[Event]:
        start, stop = keys.log(origin, after + 1), keys.log(origin, end + 1)
        return (decode_event(row) for _, row in self._journal.store.scan("log", start, stop))
