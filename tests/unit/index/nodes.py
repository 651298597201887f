"""
Nodes as far as their indexes: what clients do there, what nodes tell each other, and `check`.

Tests of the index go through here, so that a change of its parts is one of this module.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cluster.model import CheckpointPart, Digest, Dot, Event, Key
from cluster.objects import Body, in_causal_order
from node.index.index import Index
from node.index.store import END, SHARED_FAMILIES
from node.registry.values import AddBlob, DeleteSetting, ManifestRecord, PutManifest, PutSetting
from tests.builders import an_event, an_image, an_index, descriptor, stored

REPO: Final = "lib/app"
CONFIG: Final = Digest.of(b"config")
LAYER: Final = Digest.of(b"layer")

MAX: Final = 1 << 30

_OWN: Final = ("log", "vector", "quarantine")
"""Families that tell how a node came to its rows."""

Stored = tuple[Digest, ManifestRecord]


def manifest(text: str = "", subject: Digest | None = None) -> Stored:
    """An image without layers; *text* tells one from another."""
    config = descriptor(CONFIG, 6, "a/b")
    referred = None if subject is None else descriptor(subject, 1)
    image = an_image((CONFIG, 6), config=config, annotations={"text": text}, subject=referred)
    return stored(image)


def digest_of(text: str) -> Digest:
    return manifest(text)[0]


def index_of(*named: Stored) -> Stored:
    """An image index of manifests that need not be anywhere."""
    return stored(an_index(*(descriptor(digest, len(m.body), m.media_type) for digest, m in named)))


# What clients do.


async def store(
    index: Index,
    text: str,
    *tags: str,
    subject: Digest | None = None,
    repository: str = REPO,
) -> Dot:
    """Push `manifest(text)` with its config; returns the event."""
    await index.metadata.put(AddBlob(repository, CONFIG, 6, held=True))
    digest, record = manifest(text, subject)
    return await index.metadata.put(PutManifest(repository, digest, record, tags))


async def push(
    index: Index, repository: str, text: str, *tags: str, subject: Digest | None = None
) -> Digest:
    """The same; returns the digest."""
    await store(index, text, *tags, subject=subject, repository=repository)
    return manifest(text, subject)[0]


async def push_index(index: Index, repository: str, tag: str, *entries: Digest) -> Digest:
    """Push an image index of manifests that are there."""
    listed = []
    for entry in entries:
        found = index.metadata.manifest(repository, entry)
        assert found is not None
        listed.append(descriptor(entry, len(found.body)))
    digest, record = stored(an_index(*listed, annotations={"kept": "yes"}))
    await index.metadata.put(PutManifest(repository, digest, record, [tag]))
    return digest


# What nodes tell each other.


def log_of(index: Index) -> Sequence[Event]:
    """What the node has written in this run."""
    return index.replica.events_after(index.replica.origin, 0, max_bytes=MAX)


def foreign(index: Index, seq: int, key: Key, body: Body, *, stamp: int | None = None) -> Event:
    """An event of a node z, stamped now by the clock of *index*."""
    if stamp is None:
        stamp = index.journal.clock.tick(0) if seq else 0
    return an_event(Dot("z", 7, seq), key, body, stamp)


async def hear(index: Index, *others: Index) -> None:
    """Have *index* told what the others have written in their runs, in this order."""
    await index.replica.apply([event for other in others for event in log_of(other)])


async def exchange(*nodes: Index) -> None:
    """Every node hears of everything, twice over, in orders of their own."""
    for node in nodes:
        for other in reversed(nodes):
            if other is not node:
                await hear(node, other)
    assert all(rows_of(node) == rows_of(nodes[0]) for node in nodes)


async def parts_of(index: Index) -> tuple[object, list[CheckpointPart]]:
    """The head of a checkpoint, and all its parts."""
    taken = await index.replica.checkpoint()
    parts, after = [], b""
    while not parts or after:
        parts.append(taken.part(after))
        after = parts[-1].next
    taken.close()
    return taken.head, parts


async def restore(source: Index, target: Index) -> None:
    """Have *target* take over the state of *source*."""
    head, parts = await parts_of(source)
    await target.replica.begin_restore(head)
    for part in parts:
        await target.replica.restore(part)
    await target.replica.end_restore()


async def replicate(source: Index, target: Index) -> None:
    """Bring over what *target* lacks; by checkpoint where the log begins too late."""
    have = target.replica.vector()
    if any(have.get(origin, 0) < floor for origin, floor in source.replica.floor().items()):
        await restore(source, target)
    have = target.replica.vector()
    logs = [
        source.replica.events_after(origin, have.get(origin, 0), max_bytes=MAX)
        for origin in source.replica.vector()
    ]
    await target.replica.apply(list(in_causal_order(logs)))


async def set_or_delete(index: Index, kind: str, name: str, value: str | None) -> None:
    if value is None:
        await index.metadata.delete(DeleteSetting(kind, name))
    else:
        await index.metadata.put(PutSetting(kind, name, value))


# What is there.


def rows_of(index: Index) -> dict[str, list[tuple[bytes, bytes]]]:
    """Everything that must be the same on every node that has heard the same."""
    store = index.journal.store
    return {f: list(store.scan(f, b"", END)) for f in (*_OWN, *SHARED_FAMILIES)}


def shared_rows(index: Index) -> dict[str, list[tuple[bytes, bytes]]]:
    """Everything that must be the same, however a node came to it."""
    return {family: rows_of(index)[family] for family in SHARED_FAMILIES}


def check(
    index: Index,
    repository: str = REPO,
    *,
    tags: Mapping[str, Digest] | None = None,
    conflicts: Collection[str] | None = None,
    found: Collection[Digest] = (),
    absent: Collection[Digest] = (),
) -> None:
    """
    Hold what a client reads in *repository* against what it should read.

    *tags* are all of them, and where they point; *conflicts* all tags in conflict. Each of *found*
    can be read by its digest, none of *absent* can. What is not given is not looked at.
    """
    metadata = index.metadata
    if tags is not None:
        listed = metadata.tags(repository, "", 1000).items
        assert {tag: metadata.tag(repository, tag) for tag in listed} == tags
    if conflicts is not None:
        entries, more = metadata.conflicts(repository, None, 1000)
        assert ([entry.tag for entry in entries], more) == (sorted(conflicts), False)
    readable = {digest: metadata.manifest(repository, digest) for digest in (*found, *absent)}
    assert [digest for digest in found if readable[digest] is None] == []
    assert [digest for digest in absent if readable[digest] is not None] == []
