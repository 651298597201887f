"""
The reference: what a registry says after a set of events, whatever their order.

No merging and no state: an object is there if a push of it is named by no other event, and is not
`UNSEEN` older than a delete of it; by its digest it can be read as well while a manifest that can
be read names it; a tag is the largest of the writes that no other event names, that is younger than
every delete of the tag, and of the manifest that it points to.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from cluster.errors import EventUndecodable
from cluster.model import Dot, Event
from cluster.objects.events import Add, Remove, Write, decode_body
from node.index import rows
from node.index.rows import ManifestPayload

UNSEEN = 2_000 << 16
"""Two seconds, as a difference of stamps."""

Name = tuple[str, str]
"""Repository, and digest or tag."""


class Model:
    def __init__(self, events: Iterable[Event], history_max: int) -> None:
        """Of the history of a tag the latest *history_max* writes are kept, by their stamps."""
        pushes: dict[tuple[str, Name], dict[Dot, int]] = defaultdict(dict)
        self._pushed: dict[Name, bytes] = {}
        """What was pushed of each manifest: the last of it, but the bytes are the same."""
        deleted: dict[tuple[str, Name], tuple[int, Dot]] = {}
        writes: dict[Name, dict[Dot, tuple[int, Dot, str | None]]] = defaultdict(dict)
        gone: set[tuple[str, Name, Dot]] = set()
        self.history: dict[Name, set[tuple[int, Dot, str | None]]] = defaultdict(set)
        for event in events:
            try:
                body = decode_body(event)
            except EventUndecodable:
                continue
            kind, name = event.key.collection, (event.key.repository, event.key.name)
            match body:
                case Add(replaces, payload):
                    pushes[kind, name][event.dot] = event.stamp
                    if kind == "manifest":
                        self._pushed[name] = payload
                    gone |= {(kind, name, dot) for dot in replaces}
                case Remove(dots, seen_only):
                    gone |= {(kind, name, dot) for dot in dots}
                    if seen_only:
                        continue
                    last = deleted.get((kind, name), (0, event.dot))
                    deleted[kind, name] = max(last, (event.stamp, event.dot))
                case Write(replaces, value) if kind == "tag":
                    entry = (event.stamp, event.dot, value)
                    writes[name][event.dot] = entry
                    self.history[name].add(entry)
                    gone |= {("tag", name, dot) for dot in replaces}
                    if value is None:
                        last = deleted.get((kind, name), (0, event.dot))
                        deleted[kind, name] = max(last, (event.stamp, event.dot))
        for name, history in self.history.items():
            self.history[name] = set(sorted(history, key=_age)[-history_max:])
        self.present = {
            (kind, name)
            for (kind, name), dots in pushes.items()
            if any(
                (kind, name, dot) not in gone
                and ((kind, name) not in deleted or stamp >= deleted[kind, name][0] - UNSEEN)
                for dot, stamp in dots.items()
            )
        }
        self.tags: dict[Name, str] = {}
        for name, entries in writes.items():
            heads = [
                entry
                for dot, entry in entries.items()
                if ("tag", name, dot) not in gone
                and entry[2] is not None
                and all(
                    entry[:2] > deleted[by]
                    for by in (("tag", name), ("manifest", (name[0], entry[2])))
                    if by in deleted
                )
            ]
            value = max(heads, default=(0, None, None))[2]
            if value is not None and ("manifest", (name[0], value)) in self.present:
                self.tags[name] = value

    @cached_property
    def readable(self) -> set[tuple[str, Name]]:
        """What can be read by its digest."""
        found = set(self.present)
        ahead = [name for kind, name in found if kind == "manifest"]
        for name in ahead:
            named = set(_named_by(name[0], rows.decode(ManifestPayload, self._pushed[name]).body))
            ahead += [child for kind, child in named - found if kind == "manifest"]
            found |= named
        return found


def _named_by(repository: str, body: bytes) -> Iterator[tuple[str, Name]]:
    """What the manifest cannot be there without."""
    document = json.loads(body)
    for described in (document.get("config"), *document.get("layers", ())):
        if described is not None:
            yield "blob", (repository, described["digest"])
    for described in document.get("manifests", ()):
        yield "manifest", (repository, described["digest"])


def _age(entry: tuple[int, Dot, str | None]) -> tuple[int, Dot]:
    return entry[:2]
