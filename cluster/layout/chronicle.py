"""
What the decided slots say of the layout: what is live, and how it came to be. Pure.

A slot's `SetLayout` command carries all that is live after it (`Live.encode`). All nodes have all
slots, and judge each by the one before it, so all that have read as far have one `Live`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from cluster.control.state import ControlState, apply
from cluster.control.values import Batch, By, Command, Force, Seat, SetLayout, Voters
from cluster.errors import LayoutError, LayoutUnreadable
from cluster.layout.transition import Belonging, Live
from cluster.messages import NO_STAGE, Stage
from cluster.model import Disk, NodeId, Region


class Entry(NamedTuple):
    """One slot that changed what is live."""

    slot: int
    author: str
    """The node that proposed it."""

    live: Live
    who: str = ""
    """Who asked for it; empty where that was not noted."""


class Chronicle:
    """Is told of each decided slot once, in order."""

    def __init__(self) -> None:
        self.state = ControlState()
        """After the slots of which it was told."""

        self.live: Live | None = None
        self.entries: list[Entry] = []
        self._served: dict[NodeId, frozenset[Region]] = {}
        self.on_change: list[Callable[[], None]] = []
        """Told when something else is live."""

        self.unreadable: LayoutUnreadable | None = None
        """Why this version of Atoll cannot read what is live: then it must act by none."""

    @property
    def stage(self) -> Stage:
        return NO_STAGE if self.live is None else self.live.stage

    def take(self, batch: Batch) -> None:
        """Note the slot that follows. One that does not lead from what is live changes nothing."""
        if batch.slot <= self.state.slot:
            return
        self.state = apply(self.state, batch)
        who = ""
        for command in _commands_of(batch):
            if isinstance(command, By):
                who = command.who
            elif isinstance(command, SetLayout):
                self._take(batch, command, who)

    def _take(self, batch: Batch, command: SetLayout, who: str) -> None:
        try:
            after = Live.decode(command.document)
            if self.live is not None:
                self.live.step_to(after)
        except LayoutUnreadable as exc:
            self.live, self.unreadable = None, exc
            self._tell()
        except LayoutError:
            return
        else:
            self.live, self.unreadable = after, None
            self.entries.append(Entry(batch.slot, batch.author.node, after, who))
            for store in after.newest.stores():
                self._served[store.node] = self.regions_of(store.node) | {store.region}
            self._tell()

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()

    def regions_of(self, node: NodeId) -> frozenset[Region]:
        """Those that a node of this name has ever served in; none that is known of."""
        return self._served.get(node, frozenset())

    def disks(self, stores: Iterable[str]) -> Iterator[Disk]:
        """Those members of what is live that have one of these disks."""
        if self.live is not None:
            named = set(stores)
            yield from (disk for disk in self.live.members if disk.store in named)

    def belonging(self, disk: Disk) -> Belonging | None:
        """What a node is by its name and its disk; None before there is a layout."""
        return None if self.live is None else self.live.belonging(disk)


def _commands_of(batch: Batch) -> Iterator[Command]:
    """What takes effect with the slot: that which a new generation takes over from the one before
    as well."""
    for command in batch.commands:
        if isinstance(command, Force) and command.salvaged is not None:
            yield from command.salvaged.commands
        yield command


def commands(
    state: ControlState, live: Live, seats: Sequence[Seat], who: str = ""
) -> tuple[Command, ...]:
    """
    What to propose so that *live* is what the next slot says; *seats* are those of its voters,
    which change with it. *who* asked for it; empty: that is not noted.
    """
    found: list[Command] = [By(who)] if who else []
    found.append(SetLayout(state.layout.version + 1, live.encode()))
    if {seat.voter for seat in seats} != set(state.voters):
        found.append(Voters(tuple(seats)))
    return tuple(found)
