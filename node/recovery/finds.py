"""What an event of a log means to people, and whether it still is what its index has. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from cluster import stamp_ms
from cluster.errors import EventUndecodable
from cluster.model import Digest, Event
from cluster.objects import Add, Hold, Remove, Write, decode_body
from node.index import objects, rows
from node.index.rows import Look


class FindKind(StrEnum):
    """What was changed."""

    MANIFEST = "manifest"
    BLOB = "blob"
    TAG = "tag"
    SETTING = "setting"
    MANIFEST_DELETED = "manifest deleted"
    BLOB_DELETED = "blob deleted"
    TAG_DELETED = "tag deleted"
    SETTING_DELETED = "setting deleted"
    UNREADABLE = "unreadable"


class Find(NamedTuple):
    """One change that an event of a log made."""

    kind: FindKind
    repository: str
    """The kind of the setting, where it is one."""

    name: str
    """A tag, a digest, or the name of a setting."""

    digest: Digest | None
    """Of the manifest or blob, or what a tag was pointed at. None of what has no content."""

    event: str
    time_ms: int
    """Since the Unix epoch, by the clock of who wrote it."""

    last: bool
    """Whether the index has no later change of the same object."""


_ADDED: Final = {objects.MANIFEST: FindKind.MANIFEST, objects.BLOB: FindKind.BLOB}
_REMOVED: Final = {objects.MANIFEST: FindKind.MANIFEST_DELETED, objects.BLOB: FindKind.BLOB_DELETED}
_FAMILIES: Final = {
    objects.MANIFEST: "manifests",
    objects.BLOB: "blobs",
    objects.TAG: "tags",
    objects.SETTING: "settings",
}


def found(events: Iterable[Event], look: Look) -> list[Find]:
    """
    What *events* changed, in their order; *look* reads the objects of the index that has them.

    Who held a blob on which disk is left out: that disk is not the cluster's any more.
    """
    finds: list[Find] = []
    newest: dict[tuple[str, str, str], int] = {}
    for event in events:
        find = _find(event, look)
        if find is not None:
            newest[event.key.collection, find.repository, find.name] = len(finds)
            finds.append(find)
    kept = set(newest.values())
    return [
        find if number in kept else find._replace(last=False) for number, find in enumerate(finds)
    ]


def _find(event: Event, look: Look) -> Find | None:
    collection, repository, name = event.key
    told = str(event.dot), stamp_ms(event.stamp)
    try:
        body = decode_body(event)
    except EventUndecodable:
        return Find(FindKind.UNREADABLE, repository, name, None, *told, last=True)
    match body:
        case Hold():
            return None
        case Add() if collection in _ADDED:
            state = rows.presence(look, _FAMILIES[collection], repository, name)
            last = event.dot in state.dots
            return Find(_ADDED[collection], repository, name, Digest(name), *told, last=last)
        case Remove() if collection in _REMOVED:
            state = rows.presence(look, _FAMILIES[collection], repository, name)
            last = not state.present
            return Find(_REMOVED[collection], repository, name, Digest(name), *told, last=last)
        case Write(value=value) if collection in (objects.TAG, objects.SETTING):
            winner = rows.register(look, _FAMILIES[collection], repository, name).winner
            kind, digest = _written(collection, value)
            last = (None if winner is None else winner.dot) == (event.dot if value else None)
            return Find(kind, repository, name, digest, *told, last=last)
        case _:
            return Find(FindKind.UNREADABLE, repository, name, None, *told, last=True)


def _written(collection: str, value: str | None) -> tuple[FindKind, Digest | None]:
    if collection == objects.TAG:
        return (FindKind.TAG_DELETED, None) if value is None else (FindKind.TAG, Digest(value))
    return (FindKind.SETTING_DELETED if value is None else FindKind.SETTING), None
