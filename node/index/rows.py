"""What stands in the index's rows, and how it is encoded (MessagePack, arrays)."""

from collections.abc import Iterable
from functools import cache
from typing import Final, Protocol, TypeVar

import msgspec

from cluster.model import Dot, plain
from cluster.objects import Presence, Register
from node.index import keys


class RepositoryRow(msgspec.Struct, frozen=True, array_like=True):
    """How many manifests and blobs are present in a repository."""

    manifests: int = 0
    blobs: int = 0


class TotalsRow(msgspec.Struct, frozen=True, array_like=True):
    """How many manifests are in the index."""

    manifests: int = 0


class HistoryRow(msgspec.Struct, frozen=True, array_like=True):
    """One write of a tag, whether it still counts or not."""

    value: str | None
    replaces: tuple[Dot, ...]
    who: str = ""
    """Who asked for it; empty where that was not noted."""


class HistoryTotalsRow(msgspec.Struct, frozen=True, array_like=True):
    """What is in a tag's history: how many writes, and its ends."""

    writes: int
    newest: int
    """A stamp."""

    oldest: bytes
    """A key of `history`."""


class HolderRow(msgspec.Struct, frozen=True, array_like=True):
    """What a node said last of a blob, and by which event of its own."""

    held: bool
    size: int
    stamp: int
    epoch: int
    seq: int


class UploadRow(msgspec.Struct, frozen=True, array_like=True):
    repository: str
    offset: int
    started_at: float
    owner: str = ""


class QuarantineRow(msgspec.Struct, frozen=True, array_like=True):
    """An event that could not be applied, kept for a person to look at."""

    reason: str
    event: bytes


class ManifestPayload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The payload of a manifest's `Add` event."""

    media_type: str
    body: bytes


class BlobPayload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The payload of a blob's `Add` event."""

    size: int


_R = TypeVar("_R", bound=msgspec.Struct)
_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=plain)


def encode(row: msgspec.Struct) -> bytes:
    return _ENCODER.encode(row)


@cache
def _decoder(row_type: type[_R]) -> msgspec.msgpack.Decoder[_R]:
    return msgspec.msgpack.Decoder(row_type)


def decode(row_type: type[_R], data: bytes) -> _R:
    """
    Decode a row of that type.

    Raises:
        msgspec.MsgspecError: the bytes are not such a row.
    """
    row: _R = _decoder(row_type).decode(data)
    return row


class Look(Protocol):
    """Reads of rows: by a transaction, or of the store."""

    def get(self, family: str, key: bytes) -> bytes | None: ...

    def first(self, family: str, prefix: bytes) -> tuple[bytes, bytes] | None:
        """The first row under *prefix*."""
        ...

    def scan(self, family: str, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Every row under *prefix*, in order."""
        ...


def presence(look: Look, family: str, repository: str, digest: str) -> Presence:
    row = look.get(family, keys.join(repository, digest))
    return Presence() if row is None else decode(Presence, row)


def register(look: Look, family: str, *name: str) -> Register:
    """The register in *family* ("tags", "settings") under the parts of its *name*."""
    row = look.get(family, keys.join(*name))
    return Register() if row is None else decode(Register, row)
