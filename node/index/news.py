"""
What happened to images, read off what is written: live, and at a start from the ends of the logs.

Rows say it: a write of a tag is a row of its history, whoever made it and however it came here. The
deletion of a manifest has no row that says who asked, so its event is looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from cluster import vectors
from cluster.errors import EventUndecodable
from cluster.model import Event, Origin
from cluster.objects import Remove, Write, decode_body, decode_event
from node.index import history, keys
from node.index.journal import CLOCK, Journal
from node.index.objects import MANIFEST, TAG
from node.index.store import Change, Mutation
from node.index.worded import WrittenBatch
from node.registry.happenings import Happened, Happening

_WINDOW: Final = 64
"""Events that are read together, from the end of a log towards its beginning."""

_REMOVED: Final = keys.join(MANIFEST)
"""How keys of `deletions` begin that are of manifests."""

_SLOT: Final = keys.join("slot")

_TELLING: Final = frozenset(("history", "conflicts", "deletions", "meta"))
"""The families whose rows say something."""


class ImageNews:
    """Hears of batches, and tells what happened by them; on the thread that writes."""

    def __init__(self, tell: Callable[[Happening], None], decided: Callable[[int], None]) -> None:
        """*decided* is told the slot of the control log that is written."""
        self._tell = tell
        self._decided = decided

    def __call__(self, written: WrittenBatch) -> None:
        if written.failed:
            return
        batch = written.batch
        conflicts = list[bytes]()
        removes = False
        for change in batch:
            if change.family not in _TELLING or not isinstance(change, Mutation):
                continue
            if change.value is None:
                continue
            match change.family:
                case "history":
                    self._tell(_written(change.key, change.value))
                case "conflicts":
                    conflicts.append(change.key)
                case "deletions":
                    removes = removes or change.key.startswith(_REMOVED)
                case "meta" if change.key.startswith(_SLOT):
                    self._decided(keys.read_u64(change.key[len(_SLOT) :]))
        for key in conflicts:
            self._tell_conflict(key, batch)
        if removes:
            for change in batch:
                if isinstance(change, Mutation) and change.family == "log" and change.value:
                    for happening in of_event(decode_event(change.value)):
                        if happening.kind is Happened.REMOVE:
                            self._tell(happening)

    def _tell_conflict(self, name: bytes, batch: Sequence[Change]) -> None:
        """By the write of the tag that is in the same batch; a checkpoint has it elsewhere."""
        written = [
            _written(change.key, change.value)
            for change in batch
            if isinstance(change, Mutation)
            and change.family == "history"
            and change.value is not None
            and change.key.startswith(name)
        ]
        if written:
            self._tell(max(written)._replace(kind=Happened.CONFLICT))


def _written(key: bytes, value: bytes) -> Happening:
    repository, tag = keys.split_first(key, 2)
    version = history.read(key, value).version
    kind = Happened.UNTAG if version.value is None else Happened.PUSH
    return Happening(
        version.stamp, version.dot, kind, repository, tag, version.value or "", version.who
    )


def of_event(event: Event) -> Iterator[Happening]:
    """What an event did to an image, if anything."""
    collection, repository, name = event.key
    if collection not in (TAG, MANIFEST):
        return
    try:
        body = decode_body(event)
    except EventUndecodable:
        return  # of a later version: it is in quarantine
    match collection, body:
        case ("tag", Write(value=value, who=who)):
            kind = Happened.UNTAG if value is None else Happened.PUSH
            yield Happening(event.stamp, event.dot, kind, repository, name, value or "", who)
        case ("manifest", Remove(seen_only=False, who=who)):
            yield Happening(event.stamp, event.dot, Happened.REMOVE, repository, "", name, who)
        case _:
            pass


class Tails(NamedTuple):
    """What the ends of the logs say."""

    found: Sequence[Happening]
    complete_after: int
    """A stamp: nothing later is missing."""


def tails(journal: Journal, events_max: int, bytes_max: int) -> Tails:
    """
    Read the logs from their ends on, *events_max* events or *bytes_max* bytes of them. Blocks for a
    tenth of a second; for a start.
    """
    forgotten = journal.store.get("meta", CLOCK)
    complete_after = 0 if forgotten is None else keys.read_u64(forgotten)
    found: list[Happening] = []
    ends = dict(vectors.logs(journal.applied))
    first: dict[Origin, int] = {}
    while ends and events_max > 0 and bytes_max > 0:
        for origin, end in list(ends.items()):
            begin = max(journal.floor.get(origin, 0), end - _WINDOW)
            stop = keys.log(origin, end + 1)
            rows = [row for _, row in journal.store.scan("log", keys.log(origin, begin + 1), stop)]
            events_max -= len(rows)
            bytes_max -= sum(map(len, rows))
            for number, row in enumerate(rows):
                try:
                    event = decode_event(row)
                except msgspec.MsgspecError:
                    continue  # `atoll fsck` tells of it
                if number == 0:
                    first[origin] = event.stamp
                found += of_event(event)
            if begin <= journal.floor.get(origin, 0):
                del ends[origin]
            else:
                ends[origin] = begin
            if events_max <= 0 or bytes_max <= 0:
                break
    # What is left was not read to its beginning; of what was not begun nothing is known.
    for origin, end in ends.items():
        last = journal.store.get("log", keys.log(origin, end))
        unread = first.get(origin) or (0 if last is None else decode_event(last).stamp)
        complete_after = max(complete_after, unread)
    return Tails(sorted(found), complete_after)
