"""What decided slots say of the layout, and what a node does with those that say nonsense."""

import msgspec
import pytest

from cluster.control.state import EMPTY, ControlState, apply, why_not
from cluster.control.values import (
    NOTHING,
    Author,
    Batch,
    By,
    Command,
    Force,
    Found,
    Seat,
    SetLayout,
    Setting,
    Voters,
)
from cluster.errors import LayoutUnreadable
from cluster.layout.changes import SetWeight
from cluster.layout.chronicle import Chronicle, commands
from cluster.layout.proposal import changed
from cluster.layout.transition import Belonging, End, Live
from cluster.messages import NO_STAGE, Stage
from cluster.model import Disk, NodeId
from tests.fakes.layouts import layout

SEATS = tuple(Seat(name, f"{name}-disk1", 1) for name in ("a", "b", "c"))
GENESIS = Batch(NOTHING, 1, NOTHING, Author("a", 1, 0), (Found(SEATS, 0, 7),))
ONE = layout("eu: a b c")
TWO = changed(ONE, SetWeight(NodeId("a"), 5))
OTHER = changed(ONE, SetWeight(NodeId("b"), 7))
A = Disk(NodeId("a"), "a-disk1")


def slots(*contents: Command) -> list[Batch]:
    """Genesis, and a slot for each command."""
    state, batches = apply(EMPTY, GENESIS), [GENESIS]
    for number, command in enumerate(contents):
        author = Author("b", 1, number)
        batch = Batch(state.generation, state.next, state.head, author, (command,))
        batches.append(batch)
        state = apply(state, batch)
    return batches


def says(live: Live) -> SetLayout:
    return SetLayout(live.newest.version, live.encode())


FIRST, BEGUN = Live(ONE), Live(TWO, ONE)
END = BEGUN.after(End(2))


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


def test_before_the_first_layout_nobody_is_anything(chronicle: Chronicle):
    for batch in slots(Setting("x", "y")):
        chronicle.take(batch)
    assert (chronicle.live, chronicle.stage, chronicle.entries) == (None, NO_STAGE, [])
    assert chronicle.belonging(A) is None
    assert list(chronicle.disks(["a-disk1"])) == []


def test_slots_say_what_is_live(chronicle: Chronicle):
    stages: list[Stage] = []
    chronicle.on_change.append(lambda: stages.append(chronicle.stage))
    for batch in slots(says(FIRST), says(BEGUN), Setting("x", "y"), says(BEGUN.after(End(2)))):
        chronicle.take(batch)
    assert stages == [(1, 1), (1, 2), (2, 2)], "a slot about something else changes nothing"
    assert [(entry.slot, entry.author) for entry in chronicle.entries] == [
        (2, "b"),
        (3, "b"),
        (5, "b"),
    ]
    assert chronicle.belonging(A) is Belonging.MEMBER
    assert chronicle.belonging(Disk(A.node, "another")) is Belonging.STRANGER
    assert list(chronicle.disks(["a-disk1", "unknown"])) == [A]


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(Live(OTHER, ONE), id="another version 2"),
        pytest.param(FIRST, id="what was live before"),
        pytest.param(Live(changed(TWO, SetWeight(NodeId("a"), 9)), ONE), id="version 3 on 1"),
    ],
)
def test_a_decided_step_that_does_not_follow_changes_nothing(chronicle: Chronicle, nonsense: Live):
    """Two were proposed for one version. Broken: nodes go by different layouts for ever."""
    taken = slots(says(FIRST), says(BEGUN), says(nonsense), says(BEGUN.after(End(2))))
    for batch in taken[:3]:
        chronicle.take(batch)
    told: list[Stage] = []
    chronicle.on_change.append(lambda: told.append(chronicle.stage))
    chronicle.take(taken[3])
    assert chronicle.state.slot == 4, "it is a slot like any other"
    assert (chronicle.stage, told) == ((1, 2), [])
    assert chronicle.live is not None
    assert chronicle.live.encode() == BEGUN.encode()
    assert len(chronicle.entries) == 2
    chronicle.take(taken[4])
    assert chronicle.stage == (2, 2)


def test_who_asked_is_noted_with_the_slot_and_no_other(chronicle: Chronicle):
    """Broken: an operator is blamed for what a node did by itself afterwards."""
    state = apply(EMPTY, GENESIS)
    chronicle.take(GENESIS)
    asked = commands(state, FIRST, SEATS, "ann")
    assert asked == (By("ann"), says(FIRST))
    for number, content in enumerate((asked, (says(BEGUN),), (By("node:b"), says(END)))):
        author = Author("b", 1, number)
        batch = Batch(state.generation, state.next, state.head, author, content)
        chronicle.take(batch)
        state = apply(state, batch)
    assert [entry.who for entry in chronicle.entries] == ["ann", "", "node:b"]


def test_who_asked_is_noted_of_what_a_new_generation_takes_over(chronicle: Chronicle):
    """What a survivor had accepted is carried out with it, and was asked for by whom it was."""
    state = apply(EMPTY, GENESIS)
    chronicle.take(GENESIS)
    author, asked = Author("b", 1, 1), commands(state, FIRST, SEATS, "ann")
    salvaged = Batch(state.generation, state.next, state.head, author, asked)
    force = Force(SEATS, ("b",), 5, salvaged)
    forced = Batch(state.generation, state.next, state.head, Author("c", 1, 1), (force,))
    assert why_not(state, forced) is None
    chronicle.take(forced)
    assert [entry.who for entry in chronicle.entries] == ["ann"]


def test_a_slot_is_taken_once(chronicle: Chronicle):
    taken = slots(says(FIRST))
    for batch in (*taken, *taken):
        chronicle.take(batch)
    assert len(chronicle.entries) == 1


def test_a_node_that_cannot_read_the_layout_acts_by_none(chronicle: Chronicle):
    """Broken: it goes by the version before, and acknowledges what nobody else counts."""
    newest, *rest = msgspec.msgpack.decode(FIRST.encode())
    form, *fields = msgspec.msgpack.decode(newest)
    later = msgspec.msgpack.encode([msgspec.msgpack.encode([form + 1, *fields]), *rest])
    told: list[Stage] = []
    chronicle.on_change.append(lambda: told.append(chronicle.stage))
    for batch in slots(says(FIRST), SetLayout(2, later)):
        chronicle.take(batch)
    assert isinstance(chronicle.unreadable, LayoutUnreadable)
    assert chronicle.live is None
    assert told == [(1, 1), NO_STAGE]
    assert chronicle.belonging(A) is None


def test_voters_are_named_where_they_change():
    state = ControlState()
    state = apply(state, GENESIS)
    assert commands(state, BEGUN, SEATS) == (SetLayout(1, BEGUN.encode()),)
    fewer = SEATS[:1]
    assert commands(state, BEGUN, fewer) == (SetLayout(1, BEGUN.encode()), Voters(fewer))
    again = (*SEATS[:2], Seat("c", "c-disk2", 1))
    assert Voters(again) in commands(state, BEGUN, again), "another disk is another voter"
