"""
Protobuf <-> the engine's types.

Reading is where foreign bytes become `Digest`, `Member` and so on; behind it nobody checks again.
Every reader raises ValueError on what cannot be one of ours.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from cluster.membership.precedence import ACCUSERS_MAX
from cluster.model import (
    NODE_ID,
    CheckpointHead,
    CheckpointPart,
    CheckpointPiece,
    CompareReply,
    CompareRequest,
    Difference,
    Digest,
    Dot,
    Event,
    Greeting,
    Heard,
    Key,
    Member,
    NodeId,
    Origin,
    ProbeReply,
    ProbeRequest,
    Region,
    Rumour,
    Standing,
    Status,
    Vector,
)
from cluster.objects.comparison import PARTITIONS, SUMS_BYTES
from protos import cluster_pb2 as pb

FEATURES_MAX: Final = 32
"""Of one member; each a name as nodes have, of 63 characters at most."""

_SETTINGS_MAX: Final = 64
_SETTING_TEXT_MAX: Final = 256

_ADDRESS_MAX: Final = 262
"""A host name of 253 characters, a colon, a port, and brackets around an IPv6 address."""


def write_member(member: Member) -> pb.Member:
    return pb.Member(
        node=member.node,
        region=member.region,
        rpc=member.rpc,
        http=member.http,
        epoch=member.epoch,
        features=member.features,
    )


def read_member(message: pb.Member) -> Member:
    return Member(
        node=read_node(message.node),
        region=Region(_name(message.region)),
        rpc=_address(message.rpc),
        http=_address(message.http),
        epoch=message.epoch,
        features=_read_features(message.features),
    )


def _read_features(names: Collection[str]) -> tuple[str, ...]:
    if len(names) > FEATURES_MAX or any(NODE_ID.fullmatch(name) is None for name in names):
        raise ValueError("more features than any version has, or one that is no name")
    return tuple(sorted({*names}))


def read_members(messages: Iterable[pb.Member]) -> list[Member]:
    return [read_member(message) for message in messages]


def read_node(text: str) -> NodeId:
    return NodeId(_name(text))


_STATUSES: Final = {
    Status.ALIVE: pb.ALIVE,
    Status.SUSPECT: pb.SUSPECT,
    Status.DEAD: pb.DEAD,
    Status.LEFT: pb.LEFT,
}
_STATUS_OF: Final = {number: status for status, number in _STATUSES.items()}

_INCARNATION_MAX: Final = 1 << 63
"""Half of what fits: a member must be able to go beyond whatever it hears of itself."""


def write_rumours(rumours: Iterable[Rumour]) -> list[pb.Rumour]:
    return [
        pb.Rumour(
            member=write_member(rumour.member),
            status=_STATUSES[rumour.standing.status],
            incarnation=rumour.standing.incarnation,
            accusers=rumour.standing.accusers,
        )
        for rumour in rumours
    ]


def read_rumours(messages: Iterable[pb.Rumour]) -> tuple[Rumour, ...]:
    return tuple(_read_rumour(message) for message in messages)


def _read_rumour(message: pb.Rumour) -> Rumour:
    status = _STATUS_OF.get(message.status)
    if status is None:
        raise ValueError(f"{message.status} is no status")
    if message.incarnation >= _INCARNATION_MAX:
        raise ValueError(f"incarnation {message.incarnation} leaves no room to contradict")
    accusers: tuple[NodeId, ...] = ()
    if status is Status.SUSPECT:
        accusers = tuple(sorted({read_node(node) for node in message.accusers})[:ACCUSERS_MAX])
    return Rumour(read_member(message.member), Standing(status, message.incarnation, accusers))


def write_probe(request: ProbeRequest) -> pb.ProbeRequest:
    return pb.ProbeRequest(
        cluster=request.cluster,
        sender=request.sender,
        target=request.target or "",
        rumours=write_rumours(request.rumours),
        whole=request.whole,
        ending=request.ending,
    )


def read_probe(message: pb.ProbeRequest) -> ProbeRequest:
    return ProbeRequest(
        cluster=message.cluster,
        sender=read_node(message.sender),
        target=read_node(message.target) if message.target else None,
        rumours=read_rumours(message.rumours),
        whole=message.whole,
        ending=message.ending,
    )


def write_probe_reply(reply: ProbeReply) -> pb.ProbeReply:
    return pb.ProbeReply(
        node=reply.node, reached=reply.reached, rumours=write_rumours(reply.rumours)
    )


def read_probe_reply(message: pb.ProbeReply) -> ProbeReply:
    return ProbeReply(read_node(message.node), message.reached, read_rumours(message.rumours))


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
        began=write_vector(greeting.began),
        joined=greeting.joined,
        leaving=greeting.leaving,
        settings=greeting.settings,
        protocol=greeting.protocol,
        brief=greeting.brief,
        members=greeting.members,
        since=greeting.since,
        version=greeting.version,
        heard=pb.Heard(epoch=greeting.heard.epoch, version=greeting.heard.version),
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
        began=read_vector(message.began),
        joined=message.joined,
        leaving=message.leaving,
        settings=_read_settings(message.settings),
        protocol=message.protocol,
        brief=message.brief,
        members=message.members,
        since=message.since,
        version=message.version,
        heard=Heard(message.heard.epoch, message.heard.version),
    )


def _read_settings(message: Mapping[str, str]) -> dict[str, str]:
    texts = (*message.keys(), *message.values())
    if len(message) > _SETTINGS_MAX or any(len(text) > _SETTING_TEXT_MAX for text in texts):
        raise ValueError("more settings than any version has")
    return dict(message)


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
        rest=event.rest,
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
        rest=message.rest,
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


def write_comparison(request: CompareRequest) -> pb.CompareRequest:
    return pb.CompareRequest(
        sender=request.sender,
        have=write_vector(request.vector),
        sums=request.sums,
        damaged=request.damaged,
        quarantined=request.quarantined,
        form=request.form,
    )


def read_comparison(message: pb.CompareRequest) -> CompareRequest:
    if len(message.sums) != SUMS_BYTES:
        raise ValueError(f"{len(message.sums)} bytes are not the sums of all partitions")
    if any(partition >= PARTITIONS for partition in message.quarantined):
        raise ValueError("there is no such partition")
    return CompareRequest(
        sender=read_node(message.sender),
        vector=read_vector(message.have),
        sums=message.sums,
        quarantined=dict(message.quarantined),
        form=message.form,
        damaged=message.damaged,
    )


def write_comparison_reply(reply: CompareReply) -> pb.CompareReply:
    return pb.CompareReply(
        same_vector=reply.same_vector,
        sound=reply.sound,
        differences=[
            pb.PartitionDifference(partition=number, rows=rows)
            for number, rows in reply.differences
        ],
    )


def read_comparison_reply(message: pb.CompareReply) -> CompareReply:
    found = tuple(Difference(each.partition, each.rows) for each in message.differences)
    if any(difference.partition >= PARTITIONS for difference in found):
        raise ValueError("there is no such partition")
    return CompareReply(message.same_vector, message.sound, found)
