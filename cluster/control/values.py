"""
What the control log is made of: slots, ballots, voters, and the commands that a slot decides.

Frozen values with one canonical encoding (MessagePack arrays): equal values are equal bytes, so the
hash of a batch names it.
"""

import hashlib
from typing import Final, NamedTuple, NewType

import msgspec

from cluster.model import plain

Slot = NewType("Slot", int)
"""A place in the log. The first slot is 1; state 0 is before it."""

StoreId = NewType("StoreId", str)
"""A disk's name, made at random with its directory: a wiped disk is another one."""

Hash = NewType("Hash", bytes)
"""SHA-256 of an encoded batch; empty before the first slot."""

NOTHING: Final = Hash(b"")

COMMANDS_MAX: Final = 256
"""Commands in one slot."""

BATCH_MAX_BYTES: Final = 1 << 20
"""An encoded batch. A voter keeps one that is not decided, and sends it in a promise."""


class Voter(NamedTuple):
    """Who votes: a node, and the disk on which it remembers what it promised."""

    node: str
    store: str


class Seat(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    A voter as a slot names it, with the run in which it was when it was named.

    That run began before the slot was decided, and no earlier run can have voted after it: so the
    run votes at once (`continuity`).
    """

    node: str
    store: str
    run: int

    @property
    def voter(self) -> Voter:
        return Voter(self.node, self.store)


class Ballot(NamedTuple):
    """
    One attempt of one proposer. A later attempt has a larger ballot.

    *run* names the process that made it. It comes from the clock, not from the disk: so a proposer
    whose disk was set back does not make the same ballot twice.
    """

    round: int
    node: str
    run: int


NEVER: Final = Ballot(0, "", 0)
"""Smaller than every ballot."""


class Found(msgspec.Struct, frozen=True, array_like=True, tag="found", forbid_unknown_fields=True):
    """Genesis: the cluster begins with these voters, at *founded_ms* (wall clock)."""

    seats: tuple[Seat, ...]
    founded_ms: int
    nonce: int


class Force(msgspec.Struct, frozen=True, array_like=True, tag="force", forbid_unknown_fields=True):
    """
    The *survivors* of a disaster go on without the others, as a new generation with these voters.

    An operator decides this, not a majority: so it begins another generation, and *nonce* keeps two
    such decisions apart.
    """

    seats: tuple[Seat, ...]
    survivors: tuple[str, ...]
    nonce: int
    salvaged: "Batch | None" = None
    """What some survivor had accepted: the lost ones may have helped to decide it. Or they decided
    something else, which is why it is no slot of the old generation."""


class Voters(
    msgspec.Struct, frozen=True, array_like=True, tag="voters", forbid_unknown_fields=True
):
    """From the next slot on these are the voters."""

    seats: tuple[Seat, ...]


class SetLayout(
    msgspec.Struct, frozen=True, array_like=True, tag="layout", forbid_unknown_fields=True
):
    """The layout's next version. The log does not read *document*."""

    version: int
    document: bytes


class Setting(
    msgspec.Struct, frozen=True, array_like=True, tag="setting", forbid_unknown_fields=True
):
    """A setting that is one for the whole cluster; None takes it back to its default."""

    name: str
    value: str | None


class By(msgspec.Struct, frozen=True, array_like=True, tag="by", forbid_unknown_fields=True):
    """
    Who asked for the commands that follow it in the slot. Nobody proposes it before every member
    can read it (`model.WHO`).
    """

    who: str


Command = Found | Force | Voters | SetLayout | Setting | By
"""What a slot may decide. A further kind is a further class here, with a tag of its own."""


class Author(NamedTuple):
    """Whose proposal a batch is: the *number*-th of one run of a node. No two share it."""

    node: str
    run: int
    number: int


class Batch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    The value of one slot.

    It names its slot, and with *previous* the whole log before it: it cannot be decided elsewhere.
    """

    generation: bytes
    slot: int
    previous: bytes
    author: Author
    commands: tuple[Command, ...]


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=plain)
_BATCH: Final = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    return _ENCODER.encode(batch)


def decode_batch(data: bytes) -> Batch:
    """Inverse of `encode_batch`; raises `msgspec.MsgspecError` on what this version cannot read."""
    return _BATCH.decode(data)


def hash_of(batch: Batch) -> Hash:
    return Hash(hashlib.sha256(encode_batch(batch)).digest())
