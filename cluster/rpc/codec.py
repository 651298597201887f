"""
Protobuf <-> the engine's types.

Reading is where foreign bytes become `Digest`, `Member` and so on; behind it nobody checks again.
Every reader raises ValueError on what cannot be one of ours.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from cluster.model import (
    NODE_ID,
    CheckpointHead,
    CheckpointPart,
    CheckpointPiece,
    Digest,
    Dot,
    Event,
    Greeting,
    Key,
    Member,
    NodeId,
    Origin,
    Region,
    Vector,
)
from protos import cluster_pb2 as pb

_ADDRESS_MAX: Final = 262
"""A host name of 253 characters, a colon, a port, and brackets around an IPv6 address."""


def write_member(member: Member) -> pb.Member:
    return pb.Member(
        node=member.node,
        region=member.region,
        rpc=member.rpc,
        http=member.http,
        epoch=member.epoch,
        store=member.store,
    )


def read_member(message: pb.Member) -> Member:
    return Member(
        node=read_node(message.node),
        region=Region(_name(message.region)),
        rpc=_address(message.rpc),
        http=_address(message.http),
        epoch=message.epoch,
        store=message.store,
    )


def read_members(messages: Iterable[pb.Member]) -> list[Member]:
    return [read_member(message) for message in messages]


def read_node(text: str) -> NodeId:
    return NodeId(_name(text))


def write_vector(vector: Vector) -> list[pb.Progress]:
    return [
        pb.Progress(node=origin.node, epoch=origin.epoch, seq=seq) for origin, seq in vector.items()
    ]


def read_vector(messages: Iterable[pb.Progress]) -> dict[Origin, int]:
    return {Origin(_name(part.node), part.epoch): part.seq for part in messages}


def write_greeting(greeting: Greeting) -> pb.Greeting:
    return pb.Greeting(
        cluster=greeting.cluster,
        self=write_member(greeting.member),
        known=[write_member(member) for member in greeting.known],
        have=write_vector(greeting.have),
        wall_ms=greeting.wall_ms,
        current=greeting.current,
    )


def read_greeting(message: pb.Greeting) -> Greeting:
    # `self` is a field of the message; protobuf's Python classes have it as an attribute.
    return Greeting(
        cluster=message.cluster,
        member=read_member(message.self),
        known=tuple(read_members(message.known)),
        have=read_vector(message.have),
        wall_ms=message.wall_ms,
        current=message.current,
    )


def write_event(event: Event) -> pb.Event:
    node, epoch, seq = event.dot
    collection, repository, name = event.key
    return pb.Event(
        node=node,
        epoch=epoch,
        seq=seq,
        stamp=event.stamp,
        kind=event.kind,
        collection=collection,
        repository=repository,
        name=name,
        body=event.body,
    )


def write_events(events: Sequence[Event]) -> list[pb.Event]:
    return [write_event(event) for event in events]


def read_event(message: pb.Event) -> Event:
    if message.seq == 0:
        raise ValueError("sequences start at 1")
    return Event(
        dot=Dot(_name(message.node), message.epoch, message.seq),
        stamp=message.stamp,
        kind=message.kind,
        key=Key(message.collection, message.repository, message.name),
        body=message.body,
    )


def read_events(messages: Iterable[pb.Event]) -> list[Event]:
    return [read_event(message) for message in messages]


def read_digest(text: str) -> Digest:
    return Digest.parse(text)


def _name(text: str) -> str:
    if NODE_ID.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is not a node or region name")
    return text


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or len(text) > _ADDRESS_MAX:
        raise ValueError(f"{text[:80]!r} is not HOST:PORT")
    return text


def write_checkpoint_piece(piece: CheckpointPiece, *, with_head: bool) -> pb.CheckpointPiece:
    vector, rows, seal = piece.head
    head = pb.CheckpointHead(vector=write_vector(vector), rows=rows, seal=seal)
    return pb.CheckpointPiece(
        number=piece.number,
        head=head if with_head else None,
        data=piece.part.data,
        rows=piece.part.rows,
        next=piece.part.next,
    )


def read_checkpoint_head(message: pb.CheckpointHead) -> CheckpointHead:
    return CheckpointHead(read_vector(message.vector), message.rows, message.seal)


def read_checkpoint_piece(message: pb.CheckpointPiece, head: CheckpointHead) -> CheckpointPiece:
    """A piece, with the *head* that came in the first message."""
    if message.number == 0:
        raise ValueError("a checkpoint has a number")
    return CheckpointPiece(
        message.number, head, CheckpointPart(message.data, message.rows, message.next)
    )
