"""
The repository metadata as values, with nothing in them but plain data: what is read of it, and
what may be changed. Who asks for a change and who carries it out may come to be two processes.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from cluster.model import Digest, Dot


class ManifestRecord(NamedTuple):
    media_type: str
    body: bytes


class UploadRecord(NamedTuple):
    """A persistent upload session. Times are seconds since the Unix epoch."""

    id: str
    repository: str
    offset: int
    started_at: float
    owner: str = ""
    """The id of whoever opened it, and may go on with it; empty: whoever may push there."""


class Page(NamedTuple):
    """One page of a listing, and the name behind which it goes on; None at its end."""

    items: list[str]
    next_after: str | None


class Tagged(NamedTuple):
    """What a tag points to, and the event that says so."""

    digest: Digest
    event: Dot


class SettingRecord(NamedTuple):
    """A setting's JSON text, the event that wrote it, and who asked for that."""

    value: str
    event: Dot
    who: str = ""
    """Empty where that was not noted."""


class TagName(NamedTuple):
    repository: str
    tag: str


class PutManifest(msgspec.Struct, frozen=True, tag=True):
    """Store a manifest and point *tags* at it. What it names is there, but for *may_lack*."""

    repository: str
    digest: Digest
    record: ManifestRecord
    tags: Sequence[str]
    may_lack: Collection[Digest] = ()
    only_over: tuple[Dot, ...] | None = None
    """The heads that each of *tags* has to have, or nothing is stored; of one that is deleted, the
    event that did it. None: it is pointed there whatever it has."""


class AddBlob(msgspec.Struct, frozen=True, tag=True):
    """Make a blob visible in a repository, and end the upload that brought it."""

    repository: str
    digest: Digest
    size: int
    held: bool
    """Whether this node has stored it just now."""

    upload_id: str | None = None


class PutSetting(msgspec.Struct, frozen=True, tag=True):
    """Give a setting a value, which is JSON text."""

    kind: str
    name: str
    value: str
    instead_of: tuple[Dot, ...] | None = None
    """The heads that it was made from, and takes the place of: what came meanwhile stays beside it.
    None: of all that are there."""


class DeleteManifest(msgspec.Struct, frozen=True, tag=True):
    """Delete a manifest and every tag that points to it."""

    repository: str
    digest: Digest


class DeleteTag(msgspec.Struct, frozen=True, tag=True):
    repository: str
    tag: str


class DeleteBlob(msgspec.Struct, frozen=True, tag=True):
    """Take a blob out of a repository."""

    repository: str
    digest: Digest


class DeleteSetting(msgspec.Struct, frozen=True, tag=True):
    kind: str
    name: str


class PutUpload(msgspec.Struct, frozen=True, tag=True):
    """Create or advance an upload session."""

    upload: UploadRecord


class DeleteUpload(msgspec.Struct, frozen=True, tag=True):
    upload_id: str


Put = PutManifest | AddBlob | PutSetting
Deletion = DeleteManifest | DeleteTag | DeleteBlob | DeleteSetting
UploadChange = PutUpload | DeleteUpload
