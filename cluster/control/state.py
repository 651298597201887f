"""What the decided slots add up to. Pure: a state and a batch make the next state."""

from collections.abc import Mapping
from typing import Final

import msgspec

from cluster.control.values import (
    BATCH_MAX_BYTES,
    COMMANDS_MAX,
    NOTHING,
    Batch,
    By,
    Command,
    Force,
    Found,
    Hash,
    Seat,
    SetLayout,
    Setting,
    Slot,
    Voter,
    Voters,
    encode_batch,
    hash_of,
)
from cluster.control.voters import why_not_voters
from cluster.model import WHO_MAX, is_who


class ControlState(msgspec.Struct, frozen=True):
    """What holds after *slot*: who decides the next one, the layout, the settings."""

    slot: Slot = Slot(0)
    head: Hash = NOTHING
    """The hash of that slot: it stands for the whole log up to here."""

    lineage: tuple[Hash, ...] = ()
    """The generations up to the present one: the hashes of genesis and of each `Force`."""

    founded_ms: int = 0
    seats: tuple[Seat, ...] = ()
    """Who decides the next slot."""

    era: Slot = Slot(0)
    """The slot that named them. The same voters in two eras are two sets: phase 1 holds for one."""

    layout: SetLayout = SetLayout(0, b"")
    settings: Mapping[str, str] = {}

    @property
    def next(self) -> Slot:
        return Slot(self.slot + 1)

    @property
    def generation(self) -> Hash:
        return self.lineage[-1] if self.lineage else NOTHING

    @property
    def cluster(self) -> Hash:
        """The cluster's id: it never changes, whatever generations follow."""
        return self.lineage[0] if self.lineage else NOTHING

    def seat_of(self, node: str, store: str) -> Seat | None:
        return next((s for s in self.seats if s.node == node and s.store == store), None)

    @property
    def voters(self) -> tuple[Voter, ...]:
        return tuple(seat.voter for seat in self.seats)


EMPTY: Final = ControlState()


def why_not(state: ControlState, batch: Batch) -> str | None:
    """Why *batch* cannot be the slot after *state*; None when it can."""
    if (batch.slot, batch.previous) != (state.next, state.head):
        return "it does not follow this log"
    if batch.generation != state.generation:
        return "it is of another generation"
    if not 1 <= len(batch.commands) <= COMMANDS_MAX:
        return f"a slot has 1 to {COMMANDS_MAX} commands"
    alone = [command for command in batch.commands if isinstance(command, Found | Force)]
    if alone and len(batch.commands) > 1:
        return "a generation begins with a slot of its own"
    if (state.slot == 0) != any(isinstance(command, Found) for command in alone):
        return "genesis is the first slot, and no other is"
    wrong = next(filter(None, (_why_not(state, command) for command in batch.commands)), None)
    if wrong is None and len(encode_batch(batch)) > BATCH_MAX_BYTES:
        return f"a slot takes {BATCH_MAX_BYTES} bytes"
    return wrong


def _why_not(state: ControlState, command: Command) -> str | None:
    match command:
        case Force(salvaged=Batch() as salvaged):
            return why_not(state, salvaged) or why_not_voters(command.seats)
        case Found() | Force() | Voters():
            return why_not_voters(command.seats)
        case SetLayout() if command.version != state.layout.version + 1:
            return f"version {state.layout.version + 1} of the layout is the next one"
        case By(who) if not is_who(who):
            return f"who asked is told in at most {WHO_MAX} printable characters"
        case SetLayout() | Setting() | By():
            return None


def apply(state: ControlState, batch: Batch) -> ControlState:
    """The state after *batch*, which is known to follow *state*."""
    head = hash_of(batch)
    state = msgspec.structs.replace(state, slot=Slot(batch.slot), head=head)
    for command in batch.commands:
        state = _apply(state, command)
    return state


def _apply(state: ControlState, command: Command) -> ControlState:
    change = msgspec.structs.replace
    match command:
        case Found(seats, founded_ms):
            generation = (state.head,)
            return change(
                state, seats=seats, era=state.slot, lineage=generation, founded_ms=founded_ms
            )
        case Force(seats, salvaged=salvaged):
            for done in salvaged.commands if salvaged is not None else ():
                state = _apply(state, done)
            generations = (*state.lineage, state.head)
            return change(state, seats=seats, era=state.slot, lineage=generations)
        case Voters(seats):
            return change(state, seats=seats, era=state.slot)
        case SetLayout():
            return change(state, layout=command)
        case By():
            return state
        case Setting(name, None):
            rest = {key: value for key, value in state.settings.items() if key != name}
            return change(state, settings=rest)
        case Setting(name, value):
            return change(state, settings={**state.settings, name: value})
