"""Two nodes of a large cluster that greet each other through the codec, which counts the bytes."""

from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from cluster import vectors
from cluster.messages import Decisions, Greeting
from cluster.model import (
    Member,
    NodeId,
    Origin,
    Region,
    Vector,
    Vitals,
)
from cluster.peer import PresenceCalls
from cluster.rpc import codec
from node.settings.model import Settings
from protos import cluster_pb2 as pb
from tests.fakes.fleet import CONFIG, Engine
from tests.fakes.network import MemoryPeer, MemoryTransport, Network
from tests.fakes.records import MemoryRecords

_EPOCH: Final = 1_790_000_000_000
_DAY_MS: Final = 86_400_000
"""Each run is named by the time at which it began: here one a day."""

_EVENTS: Final = 20_000
"""Written in each run, about: how long a number is on the wire depends on its size."""

_TIMEOUT_S: Final = 60.0


class Shape(NamedTuple):
    """A cluster whose members are spread evenly over its regions."""

    members: int
    regions: int
    restarts: int = 100
    """Of each member: so many logs it has written."""

    retired: bool = False
    """All of them but the last of each member."""

    def member(self, number: int) -> Member:
        name, region = f"node-{number:03}", f"region-{number % self.regions:02}"
        host = f"{name}.{region}.example.org"
        return Member(
            NodeId(name),
            Region(region),
            f"{host}:5443",
            f"{host}:5000",
            _epoch(self.restarts),
            store=f"{number:016x}",
            zone=f"rack-{number % 7}",
        )

    def vector(self) -> dict[Origin, int]:
        logs = {
            Origin(self.member(number).node, _epoch(run)): _EVENTS + 17 * number + run
            for run in range(1, self.restarts + 1)
            for number in range(self.members)
        }
        if not self.retired:
            return logs
        everybody = (self.member(number).node for number in range(self.members))
        return vectors.retired(logs, dict.fromkeys(everybody, _epoch(self.restarts - 1)))


class Beat(NamedTuple):
    """The bytes of the two messages of one heartbeat."""

    question: int
    answer: int


class Pair:
    """Two members of a cluster in different regions, if it has several. Both know everybody."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.logs: Vector = shape.vector()
        self._written = 0
        self._linked = False
        network = Network()
        self.asking = self._engine(network, shape.member(0))
        self.answering = self._engine(network, shape.member(1))
        transport = network.transport(self.asking.member)
        self._peer = _CodecPeer(transport, self.answering.cluster.service)
        everybody = {shape.member(number) for number in range(shape.members)}
        for engine in (self.asking, self.answering):
            for member in everybody - {engine.member}:
                engine.hear_of(member)

    def _engine(self, network: Network, member: Member) -> Engine:
        config = replace(CONFIG, settings=Settings(data_dir=Path("/data")).shared)
        engine = Engine(network, member, config, seed=0)
        engine.records = _Records(self, member)
        engine.renew()
        engine.say_of_itself(
            Decisions(bytes(range(32)), 5_000, member.epoch),
            Vitals("0.1.0", 1 << 42, 1 << 41, 1 << 20, 1 << 40),
        )
        return engine

    def write(self, events: int) -> None:
        """Bring *events* more to both nodes, of as many writers as there are."""
        logs = dict(self.logs)
        for number in range(self._written, self._written + events):
            writer = self._shape.member(number % self._shape.members)
            logs[Origin(writer.node, writer.epoch)] += 1
        self._written += events
        self.logs = logs

    async def greet(self) -> Greeting:
        """Have the one greet the other, on the same link each time; returns the answer."""
        roster, node = self.asking.cluster._roster, self.answering.member.node
        if not self._linked:
            self._linked = True
            return await roster.first_greeting(self._peer)
        return await roster.greet(node, self._peer, _TIMEOUT_S)

    async def beat(self) -> Beat:
        """Have the one greet the other; returns what that took."""
        await self.greet()
        return self._peer.last

    def heard_by_both(self) -> tuple[Vector, Vector]:
        """What each of them has been told that the other one has."""
        asking, answering = self.asking, self.answering
        return (
            asking.told(answering.member.node),
            answering.told(asking.member.node),
        )


class _Records(MemoryRecords):
    """Has what the pair's cluster has written, without the events."""

    def __init__(self, pair: Pair, member: Member) -> None:
        super().__init__(member.node, member.epoch)
        self._pair = pair
        own = {o: seq for o, seq in self.vector().items() if o.node == member.node}
        self._began = {o: seq for o, seq in own.items() if o.epoch != member.epoch}

    def vector(self) -> Vector:
        return self._pair.logs


class _CodecPeer(MemoryPeer):
    """A peer whose greetings take the form that they have between real nodes."""

    def __init__(self, transport: MemoryTransport, service: PresenceCalls) -> None:
        super().__init__(transport, "")
        self._service = service
        self.last = Beat(0, 0)

    async def hello(self, greeting: Greeting) -> Greeting:
        question = codec.GREETING.write(greeting).SerializeToString()
        heard = codec.GREETING.read(pb.Greeting.FromString(question))
        answer = codec.GREETING.write(await self._service.hello(heard)).SerializeToString()
        self.last = Beat(len(question), len(answer))
        return codec.GREETING.read(pb.Greeting.FromString(answer))


def _epoch(run: int) -> int:
    return _EPOCH + run * _DAY_MS
