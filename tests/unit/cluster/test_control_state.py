"""What decided slots add up to, and which batches can follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.control.log import PAGE, ControlLog, Forked
from cluster.control.state import EMPTY, ControlState, apply, why_not
from cluster.control.values import (
    BATCH_MAX_BYTES,
    COMMANDS_MAX,
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
    hash_of,
)
from cluster.model import WHO_MAX

SEATS = tuple(Seat(name, f"{name}#1", 1) for name in ("n0", "n1", "n2"))
GENESIS = Batch(NOTHING, 1, NOTHING, Author("n0", 1, 0), (Found(SEATS, 0, 7),))


def after(state: ControlState, *commands: Command, number: int = 1) -> Batch:
    author = Author("n0", 1, number)
    return Batch(state.generation, state.next, state.head, author, commands)


@pytest.fixture
def state() -> ControlState:
    return apply(EMPTY, GENESIS)


def test_genesis_names_the_cluster_and_its_voters(state: ControlState):
    assert state.cluster == state.generation == hash_of(GENESIS)
    assert (state.slot, state.era, state.seats) == (1, 1, SEATS)
    assert state.seat_of("n0", "n0#1") == SEATS[0]
    assert state.seat_of("n0", "n0#2") is None, "a wiped disk is no voter"


def test_commands_take_effect_in_order(state: ControlState):
    one, two = Setting("copies", "2"), Setting("copies", "3")
    state = apply(state, after(state, one, Setting("x", "y"), two, SetLayout(1, b"document")))
    assert state.settings == {"copies": "3", "x": "y"}
    state = apply(state, after(state, By("ann"), Setting("x", None), Voters(SEATS[:1])))
    assert state.settings == {"copies": "3"}
    assert state.layout == SetLayout(1, b"document")
    assert (state.seats, state.era) == (SEATS[:1], 3)


def test_the_same_voters_again_are_another_era(state: ControlState):
    again = apply(state, after(state, Voters(SEATS)))
    assert again.seats == state.seats
    assert again.era != state.era


def test_a_forced_generation_takes_along_what_a_survivor_had_accepted(state: ControlState):
    salvaged = after(state, Setting("copies", "3"), Voters(SEATS))
    force = after(state, Force(SEATS[:1], ("n0",), 1, salvaged))
    assert why_not(state, force) is None
    forced = apply(state, force)
    assert forced.lineage == (state.generation, hash_of(force))
    assert forced.cluster == state.cluster
    assert forced.settings == {"copies": "3"}
    assert forced.seats == SEATS[:1], "not those of the value that was salvaged"


def test_two_operators_make_two_generations(state: ControlState):
    forces = [after(state, Force(SEATS[:1], ("n0",), nonce)) for nonce in (1, 2)]
    assert len({apply(state, force).generation for force in forces}) == 2


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ((), "1 to 256"),
        ((Setting("x", "y"),) * (COMMANDS_MAX + 1), "1 to 256"),
        ((Found(SEATS, 0, 1),), "genesis"),
        ((Force(SEATS, (), 1), Setting("x", "y")), "of its own"),
        ((Voters(()),), "0 voters"),
        ((Voters(SEATS + SEATS[:1]),), "4 voters"),
        ((Voters((SEATS[0], SEATS[1], Seat("n0", "n0#2", 5))),), "votes once"),
        ((SetLayout(2, b""),), "version 1"),
        ((SetLayout(1, b"x" * BATCH_MAX_BYTES),), "bytes"),
        ((By("a" * (WHO_MAX + 1)), SetLayout(1, b"")), "320 printable"),
        ((By("a\nb"), SetLayout(1, b"")), "320 printable"),
    ],
)
def test_what_cannot_follow(state: ControlState, commands: tuple[Command, ...], reason: str):
    refusal = why_not(state, after(state, *commands))
    assert refusal is not None
    assert reason in refusal


def test_a_full_slot_is_legal(state: ControlState):
    assert why_not(state, after(state, *(Setting(f"s{n}", "v") for n in range(256)))) is None


def test_a_batch_follows_one_log_in_one_generation(state: ControlState):
    batch = after(state, Setting("x", "y"))
    other = apply(state, after(state, Setting("x", "z")))
    assert why_not(state, batch) is None
    assert why_not(other, batch) is not None
    forced = apply(state, after(state, Force(SEATS[:1], ("n0",), 1)))
    assert why_not(forced, after(state, Setting("x", "y"))) is not None


def test_the_first_slot_is_genesis():
    assert why_not(EMPTY, GENESIS) is None
    assert why_not(EMPTY, after(EMPTY, Setting("x", "y"))) is not None


def history(length: int) -> list[Batch]:
    slots, state = [GENESIS], apply(EMPTY, GENESIS)
    for number in range(1, length):
        slots.append(after(state, Setting("x", str(number)), number=number))
        state = apply(state, slots[-1])
    return slots


@given(st.integers(1, 8), st.lists(st.lists(st.integers(0, 7), max_size=4), max_size=12))
def test_a_learner_has_a_prefix_whatever_comes_in_which_order(length: int, messages):
    """Broken: a slot behind a gap is applied, or one is applied twice."""
    slots = history(length)
    log = ControlLog()
    for message in messages:
        log.extend(slots[index] for index in message if index < length)
        assert list(log.slots) == slots[: log.last]
    log.extend(slots)
    assert list(log.slots) == slots
    assert log.state.head == hash_of(slots[-1])


def test_a_message_has_a_page_of_slots():
    log = ControlLog(history(PAGE + 2))
    page = log.page(1)
    assert (page.batches, page.last) == (tuple(log.slots[1 : PAGE + 1]), PAGE + 2)
    assert log.page(PAGE + 1).batches == tuple(log.slots[PAGE + 1 :])


def test_a_learner_stops_where_history_has_two_ends():
    slots = history(3)
    log = ControlLog(slots)
    other = after(apply(EMPTY, GENESIS), Setting("x", "other"))
    with pytest.raises(Forked):
        log.extend([other])
    with pytest.raises(Forked):
        ControlLog([slots[0], other, slots[2]])
