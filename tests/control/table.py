"""A table on which the letters of five participants lie, until a test lets some of them go."""

from collections.abc import Sequence
from random import Random
from typing import Final

from cluster.control import (
    AcceptorState,
    ControlConfig,
    Letter,
    Participant,
    Persist,
    ReportOutcome,
    Send,
)
from cluster.control.coordinator import Outcome
from cluster.control.effects import StartEmpty
from cluster.control.messages import Have
from cluster.control.values import NOTHING, Author, Batch, Command, Found, Seat

NAMES: Final = ("n0", "n1", "n2", "n3", "n4")


class Table:
    """
    Five nodes, the first three of which vote. Letters stay on the table until a test lets them go;
    disks are synced at once.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.letters: list[tuple[str, Letter]] = []
        self.outcomes: dict[int, Outcome] = {}
        self.empty: list[str] = []
        seats = tuple(Seat(name, f"{name}#1", 1) for name in NAMES[:3])
        genesis = Batch(NOTHING, 1, NOTHING, Author("n0", 1, 0), (Found(seats, 0, 7),))
        self.disks = {name: (AcceptorState(), [genesis]) for name in NAMES}
        self.initial: dict[str, tuple[str, ...]] = {}
        """Who may begin a cluster, as the configuration of some nodes says."""

        self.nodes: dict[str, Participant] = {}
        for name in NAMES:
            self.start(name, run=1)
        self.number = 0

    def start(self, name: str, *, run: int) -> None:
        acceptor, slots = self.disks[name]
        self.nodes[name] = Participant(
            node=name, store=f"{name}#1", region="r", run=run, now=self.now, wall_ms=0,
            acceptor=acceptor, slots=slots, initial=self.initial.get(name, ()), peers=NAMES,
            config=ControlConfig(trust_after_s=60.0), chance=Random(1),
        )  # fmt: skip
        self.do(name, self.nodes[name].start())

    def set_back(self, name: str, disk: tuple[AcceptorState, list[Batch]]) -> None:
        """Start *name* in a new run, with a disk that it had earlier."""
        self.disks[name] = disk
        self.start(name, run=self.nodes[name].voting.run + 1)
        self.do(name, self.nodes[name].tick(self.now))

    def hear(self, name: str, *others: str) -> None:
        """Let *name* hear that *others* have all slots."""
        for other in others:
            node = self.nodes[other]
            letter = Letter(
                other, f"{other}#1", node.voting.run, node.generation, Have(node.log.last)
            )
            self.do(name, self.nodes[name].handle(letter, self.now))

    def do(self, name: str, effects: Sequence[object]) -> None:
        for effect in effects:
            match effect:
                case Persist(acceptor, new):
                    slots = self.disks[name][1]
                    self.disks[name] = (acceptor, [*slots, *new])
                case Send(to, letter):
                    self.letters.append((to, letter))
                case ReportOutcome(number, outcome):
                    self.outcomes[number] = outcome
                case StartEmpty():
                    self.empty.append(name)

    def propose(self, name: str, *commands: Command, slot: int = 0, timeout: float = 5.0) -> int:
        self.number += 1
        node = self.nodes[name]
        slot = slot or node.log.last + 1
        number, now = self.number, self.now
        self.do(name, node.propose(number, slot, commands, now=now, timeout=timeout))
        return number

    def deliver(
        self, kind: type, *, to: Sequence[str] = NAMES, sender: Sequence[str] = NAMES
    ) -> int:
        """Deliver the letters of one kind that lie on the table now; returns their number."""
        found = [
            (node, letter)
            for node, letter in self.letters
            if isinstance(letter.message, kind) and node in to and letter.node in sender
        ]
        for item in found:
            self.letters.remove(item)
        for node, letter in found:
            self.do(node, self.nodes[node].handle(letter, self.now))
        return len(found)

    def settle(self) -> None:
        """Deliver everything, until nothing is left to say."""
        while self.letters:
            node, letter = self.letters.pop(0)
            self.do(node, self.nodes[node].handle(letter, self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for name, node in self.nodes.items():
            self.do(name, node.tick(self.now))

    def slots(self, name: str) -> list[Author]:
        return [batch.author for batch in self.nodes[name].log.slots]
