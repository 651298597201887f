"""
Protobuf <-> the engine's types.

Reading is where foreign bytes become `Digest`, `Member` and so on; behind it nobody checks again.
Every reader raises ValueError on what cannot be one of ours.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

from cluster import vectors
from cluster.membership.precedence import ACCUSERS_MAX
from cluster.messages import (
    CompareReply,
    CompareRequest,
    Confirmation,
    Decisions,
    Difference,
    Greeting,
    Heard,
    ProbeReply,
    ProbeRequest,
    PushAnswer,
    Stage,
)
from cluster.model import (
    NODE_ID,
    CheckpointHead,
    CheckpointPart,
    CheckpointPiece,
    Disk,
    Dot,
    Event,
    Key,
    Member,
    NodeId,
    Origin,
    Rumour,
    Run,
    Standing,
    Status,
    Vector,
    Vitals,
)
from cluster.objects.comparison import PARTITIONS, SUMS_BYTES
from cluster.vectors import Watermark
from protos import cluster_pb2 as pb

Ours = TypeVar("Ours")
Wire = TypeVar("Wire")

FEATURES_MAX: Final = 32
"""Of one member; each a name as nodes have, of 63 characters at most."""

_SETTINGS_MAX: Final = 64
_SETTING_TEXT_MAX: Final = 256

_LINE_MAX: Final = 512

_ADDRESS_MAX: Final = 262
"""A host name of 253 characters, a colon, a port, and brackets around an IPv6 address."""

_INCARNATION_MAX: Final = 1 << 63
"""Half of what fits: a member must be able to go beyond whatever it hears of itself."""

_NAMES_KEPT: Final = 1024
"""Names, addresses and runs that were found right, or written, lately: the same ones pass several
times a second. Far more than a cluster has; what is wrong is not kept."""

_STATUSES: Final = {
    Status.ALIVE: pb.ALIVE,
    Status.SUSPECT: pb.SUSPECT,
    Status.DEAD: pb.DEAD,
    Status.LEFT: pb.LEFT,
}
_STATUS_OF: Final = {number: status for status, number in _STATUSES.items()}


class Form(NamedTuple, Generic[Ours, Wire]):
    """How a value travels."""

    write: Callable[[Ours], Wire]
    read: Callable[[Wire], Ours]
    optional: bool = False
    """Whether it may be missing from a message, and is None then."""


def message(ours: Callable[..., Ours], wire: Callable[..., Wire], **forms: Any) -> Form[Ours, Wire]:
    """
    The form of values whose message has fields of the same names. What a field holds travels as it
    is, unless one of *forms* is for it: a `Form`, or how to read it.
    """
    names = tuple(ours.__annotations__)
    as_is = tuple(name for name in names if name not in forms)
    # Each greeting and each push passes here, several times a second for each peer: what needs no
    # form is taken in one step.
    gather = _gatherer(as_is)
    formed = tuple((name, forms[name]) for name in names if name in forms)
    writers = tuple((name, form.write) for name, form in formed)
    readers = tuple((name, form.read) for name, form in formed if not form.optional)
    perhaps = tuple((name, form.read) for name, form in formed if form.optional)

    def write(value: Ours) -> Wire:
        fields = gather(value)
        for name, write_field in writers:
            fields[name] = write_field(getattr(value, name))
        return wire(**fields)

    def read(message: Any) -> Ours:
        fields = gather(message)
        for name, read_field in readers:
            fields[name] = read_field(getattr(message, name))
        for name, read_field in perhaps:
            there = message.HasField(name)
            fields[name] = read_field(getattr(message, name)) if there else None
        return ours(**fields)

    return Form(write, read)


def _gatherer(names: Sequence[str]) -> Callable[[Any], dict[str, Any]]:
    """What takes the attributes of these *names* from an object."""
    if len(names) < 2:  # Of one name `attrgetter` makes no tuple, and of none nothing.
        return lambda value: {name: getattr(value, name) for name in names}
    values = attrgetter(*names)
    return lambda value: dict(zip(names, values(value), strict=True))


def optional(form: Form[Any, Any]) -> Form[Any, Any]:
    """The form of what may be None."""
    return Form(lambda value: None if value is None else form.write(value), form.read, True)


def checked(read: Callable[[Any], Any]) -> Form[Any, Any]:
    """The form of what is written as it is."""
    return Form(_same, read)


def each(form: Form[Any, Any]) -> Form[Any, Any]:
    """The form of several values."""
    return Form(
        lambda values: [form.write(value) for value in values],
        lambda messages: tuple(form.read(message) for message in messages),
    )


def _same(value: Any) -> Any:
    return value


@lru_cache(_NAMES_KEPT)
def read_node(text: str) -> NodeId:
    if NODE_ID.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is not a node or region name")
    return NodeId(text)


@lru_cache(_NAMES_KEPT)
def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or len(text) > _ADDRESS_MAX:
        raise ValueError(f"{text[:80]!r} is not HOST:PORT")
    return text


def _features(names: Collection[str]) -> tuple[str, ...]:
    if len(names) > FEATURES_MAX or any(NODE_ID.fullmatch(name) is None for name in names):
        raise ValueError("more features than any version has, or one that is no name")
    return tuple(sorted({*names}))


def _name(text: str) -> str:
    """A name as nodes have, or none."""
    return read_node(text) if text else ""


def _line(text: str) -> str:
    """A text for people, of which nobody takes more than a line."""
    return text[:_LINE_MAX]


def _settings(message: Mapping[str, str]) -> dict[str, str]:
    texts = (*message.keys(), *message.values())
    if len(message) > _SETTINGS_MAX or any(len(text) > _SETTING_TEXT_MAX for text in texts):
        raise ValueError("more settings than any version has")
    return dict(message)


def _sums(sums: bytes) -> bytes:
    if len(sums) != SUMS_BYTES:
        raise ValueError(f"{len(sums)} bytes are not the sums of all partitions")
    return sums


def _partition(partition: int) -> int:
    if partition >= PARTITIONS:
        raise ValueError("there is no such partition")
    return partition


def write_vector(vector: Vector) -> list[pb.Progress]:
    return [_write_progress(origin, reach) for origin, reach in vector.items()]


def _write_progress(origin: Origin, reach: int) -> pb.Progress:
    if not vectors.is_mark(origin):
        return pb.Progress(node=origin.node, epoch=origin.epoch, seq=reach)
    mark = Watermark.of(reach)
    return pb.Progress(node=origin.node, retired=mark.epoch, chain=mark.chain)


def read_vector(messages: Iterable[pb.Progress]) -> dict[Origin, int]:
    return {
        Origin(read_node(part.node), part.epoch): part.seq if part.epoch else _read_mark(part)
        for part in messages
    }


def _read_mark(message: pb.Progress) -> int:
    if message.seq or not message.retired:
        raise ValueError("no run has the epoch 0")
    return Watermark(message.retired, message.chain).value


def _write_rumour(rumour: Rumour) -> pb.Rumour:
    return pb.Rumour(
        member=MEMBER.write(rumour.member),
        status=_STATUSES[rumour.standing.status],
        incarnation=rumour.standing.incarnation,
        accusers=rumour.standing.accusers,
    )


def _read_rumour(message: pb.Rumour) -> Rumour:
    status = _STATUS_OF.get(message.status)
    if status is None:
        raise ValueError(f"{message.status} is no status")
    if message.incarnation >= _INCARNATION_MAX:
        raise ValueError(f"incarnation {message.incarnation} leaves no room to contradict")
    accusers: tuple[NodeId, ...] = ()
    if status is Status.SUSPECT:
        accusers = tuple(sorted({read_node(node) for node in message.accusers})[:ACCUSERS_MAX])
    return Rumour(MEMBER.read(message.member), Standing(status, message.incarnation, accusers))


@lru_cache(_NAMES_KEPT)
def _write_run(run: Run) -> pb.Run:
    """A message for all that name this run: whatever holds it has a copy."""
    return pb.Run(node=run.disk.node, store=run.disk.store, epoch=run.epoch)


def _read_run(message: pb.Run) -> Run:
    return _run(message.node, message.store, message.epoch)


@lru_cache(_NAMES_KEPT)
def _run(node: str, store: str, epoch: int) -> Run:
    return Run(Disk(read_node(node), _name(store)), epoch)


def _write_confirmation(said: Confirmation) -> pb.Confirmation:
    # One goes with each answer to a push, and mostly only its numbers are new.
    names = _write_names(said.epoch, tuple(said.readers), tuple(said.epochs.items()))
    message = pb.Confirmation()
    message.CopyFrom(names)
    message.upto = said.upto
    for reader, seq in zip(message.readers, said.readers.values(), strict=True):
        reader.reached = seq
    return message


@lru_cache(_NAMES_KEPT)
def _write_names(
    epoch: int, readers: tuple[Run, ...], runs: tuple[tuple[Disk, int], ...]
) -> pb.Confirmation:
    """A confirmation without its numbers; never changed."""
    return pb.Confirmation(
        epoch=epoch,
        readers=[pb.Reader(run=_write_run(run)) for run in readers],
        runs=[_write_run(Run(disk, newest)) for disk, newest in runs],
    )


def _read_confirmation(message: pb.Confirmation) -> Confirmation:
    runs = map(_read_run, message.runs)
    return Confirmation(
        message.epoch,
        message.upto,
        {_read_run(reader.run): reader.reached for reader in message.readers},
        {run.disk: run.epoch for run in runs},
    )


_NODE: Final = checked(read_node)
_VECTOR: Final = Form(write_vector, read_vector)
_CONFIRMATION: Final = optional(Form(_write_confirmation, _read_confirmation))
_EARLIER: Final = optional(
    Form(
        lambda said: pb.Earlier(said=write_vector(said)), lambda earlier: read_vector(earlier.said)
    )
)
_RUMOURS: Final = each(Form(_write_rumour, _read_rumour))

MEMBER: Final = message(
    Member,
    pb.Member,
    node=_NODE,
    region=_NODE,
    rpc=checked(_address),
    http=checked(_address),
    features=checked(_features),
    store=checked(_name),
    zone=checked(_name),
)
STAGE: Final = message(Stage, pb.Stage)
GREETING: Final = message(
    Greeting,
    pb.Greeting,
    member=MEMBER,
    known=each(MEMBER),
    have=_VECTOR,
    began=_VECTOR,
    settings=checked(_settings),
    heard=message(Heard, pb.Heard),
    stage=STAGE,
    decisions=message(Decisions, pb.Decisions),
    vitals=message(
        Vitals,
        pb.Vitals,
        version=checked(_line),
        trouble=checked(_line),
        uncovered=checked(_line),
    ),
    pulled=each(_NODE),
    confirmation=_CONFIRMATION,
    earlier=_EARLIER,
)
PUSH_ANSWER: Final = message(PushAnswer, pb.PushReply, have=_VECTOR, confirmation=_CONFIRMATION)
PROBE: Final = message(
    ProbeRequest,
    pb.ProbeRequest,
    sender=_NODE,
    target=Form(lambda node: node or "", lambda text: read_node(text) if text else None),
    rumours=_RUMOURS,
)
PROBE_REPLY: Final = message(ProbeReply, pb.ProbeReply, node=_NODE, rumours=_RUMOURS)
COMPARISON: Final = message(
    CompareRequest,
    pb.CompareRequest,
    sender=_NODE,
    vector=_VECTOR,
    sums=checked(_sums),
    quarantined=checked(lambda marks: {_partition(number): mark for number, mark in marks.items()}),
)
COMPARISON_REPLY: Final = message(
    CompareReply,
    pb.CompareReply,
    differences=each(message(Difference, pb.PartitionDifference, partition=checked(_partition))),
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
        rest=event.rest,
    )


def read_event(message: pb.Event) -> Event:
    if message.seq == 0:
        raise ValueError("sequences start at 1")
    if message.epoch == 0:
        raise ValueError("no run has the epoch 0")
    return Event(
        dot=Dot(read_node(message.node), message.epoch, message.seq),
        stamp=message.stamp,
        kind=message.kind,
        key=Key(message.collection, message.repository, message.name),
        body=message.body,
        rest=message.rest,
    )


def write_events(events: Sequence[Event]) -> list[pb.Event]:
    return [write_event(event) for event in events]


def read_events(messages: Iterable[pb.Event]) -> list[Event]:
    return [read_event(message) for message in messages]


_HEAD: Final = message(CheckpointHead, pb.CheckpointHead, vector=_VECTOR)


def write_checkpoint_piece(piece: CheckpointPiece, *, with_head: bool) -> pb.CheckpointPiece:
    head = _HEAD.write(piece.head) if with_head else None
    return pb.CheckpointPiece(number=piece.number, head=head, **piece.part._asdict())


def read_checkpoint_piece(
    message: pb.CheckpointPiece, head: CheckpointHead | None
) -> CheckpointPiece:
    """A piece; all but the first have the *head* that came with it."""
    if message.number == 0:
        raise ValueError("a checkpoint has a number")
    part = CheckpointPart(message.data, message.rows, message.next)
    return CheckpointPiece(message.number, head or _HEAD.read(message.head), part)
