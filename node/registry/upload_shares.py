"""What one account may have under way at a node, among all uploads there. Pure."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from node.errors import AccountBytesFull, AccountUploadsFull
from node.registry.values import UploadRecord


class HeldUpload(Protocol):
    """An upload that is open."""

    record: UploadRecord
    busy: bool
    touched_at: float

    @property
    def bytes_held(self) -> int:
        """What it has staged."""
        ...


U = TypeVar("U", bound=HeldUpload)


def make_room(owner: str, uploads: Iterable[U], most: int, idle_before: float) -> U | None:
    """
    Whose place a new upload of *owner* takes, once they have *most* (0: as many as they like): that
    of their own which has been idle for the longest, if it is since *idle_before*. None: no place.

    Raises:
        AccountUploadsFull: all of theirs are in use.
    """
    if not owner or not most:
        return None
    own = [upload for upload in uploads if upload.record.owner == owner]
    if len(own) < most:
        return None
    idle = [upload for upload in own if not upload.busy and upload.touched_at <= idle_before]
    oldest = min(idle, key=lambda upload: upload.touched_at, default=None)
    if oldest is None:
        raise AccountUploadsFull(most)
    return oldest


def check_bytes(owner: str, uploads: Iterable[U], most: int, more: int) -> None:
    """
    Return if *owner* may stage *more* bytes beside all that they have, *most* in all (0: any).

    Raises:
        AccountBytesFull: they may not.
    """
    if not owner or not most:
        return
    held = sum(upload.bytes_held for upload in uploads if upload.record.owner == owner)
    if held + more > most:
        raise AccountBytesFull(most)
