"""
An index without which the cluster has gone on: it was removed, or declared lost, or a generation of
the cluster began without it. It is set aside, and the node begins with an empty one.

    index.left-behind   the next start sets the index aside: why, and what the new one has to know
    index.former-TIME   the index that it was
"""

from pathlib import Path
from typing import Final

import msgspec

from cluster.ports import Log
from node.disk.durable import sync_directory, write_durably
from node.errors.startup import StartupError
from node.index.index import index_path
from node.recovery.repair import NEWCOMER, set_aside

FORMER: Final = "index.former-"
"""What nobody else has of the log of that disk is there, and only there: for `atoll salvage`."""

_NOTE: Final = "index.left-behind"


class LeftBehind(msgspec.Struct, frozen=True):
    """Why the index counts for nothing, and the generations that the next one must not join."""

    reason: str
    ended: tuple[bytes, ...] = ()


_decoder: Final = msgspec.json.Decoder(LeftBehind)


def leave_behind(data_dir: Path, why: LeftBehind) -> None:
    """
    Have the next start set the index aside; durable on return. From then on no restart goes on
    with the old index, or forgets what the new one has to know.

    Raises:
        StartupError: it cannot be written.
    """
    note = data_dir / _NOTE
    try:
        write_durably(note, msgspec.json.encode(why))
    except OSError as exc:
        raise StartupError(f"cannot write {note}: {exc.strerror}") from exc


def part(data_dir: Path, log: Log) -> tuple[bytes, ...] | None:
    """
    Set the index aside if it was left behind.

    Returns the generations that the next one has to know as ended; once it does, `parted` is to be
    called. None where there is nothing to part with.

    Raises:
        StartupError: the note of it cannot be read as one.
        OSError: the note cannot be read, or the index not be renamed.
    """
    note = data_dir / _NOTE
    try:
        why = _decoder.decode(note.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as exc:
        raise StartupError(f"{note} does not say why the index was left behind: {exc}") from exc
    directory = str(set_aside(index_path(data_dir), FORMER))
    log.warning("index left behind", reason=why.reason, directory=directory, then=NEWCOMER)
    return why.ended


def parted(data_dir: Path) -> None:
    """Note, durably, that the index is a new one now."""
    (data_dir / _NOTE).unlink()
    sync_directory(data_dir)


def has_former(data_dir: Path) -> bool:
    """Whether there is a cluster that has gone on without this directory: its node begins none."""
    return any(data_dir.glob(f"{FORMER}*"))
