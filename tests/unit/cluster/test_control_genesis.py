"""Genesis, and what a node does that meets another cluster."""

from random import Random

import pytest

from cluster.control.context import Context, ControlConfig
from cluster.control.effects import Outbox, Send
from cluster.control.genesis import Founder, Meeting, meet
from cluster.control.log import ControlLog
from cluster.control.messages import Empty, Hail, Letter, Lineage
from cluster.control.state import ControlState
from cluster.control.values import NOTHING, Batch, Found, Hash, Slot

QUIET_S = 10.0


class Empties:
    """A founder *n0* and what the others answer."""

    def __init__(self, initial: tuple[str, ...], node: str = "n0") -> None:
        self.outbox = Outbox(node, f"{node}#1")
        self.outbox.run = 1
        context = Context(
            node=node, store=f"{node}#1", region="r", log=ControlLog(), outbox=self.outbox,
            chance=Random(1), config=ControlConfig(quiet_s=QUIET_S),
        )  # fmt: skip
        self.founding = Founder(context, initial, now=0.0, wall_ms=5_000)
        self.initial = initial

    def hailed(self) -> list[tuple[str, int]]:
        """Whom it asked since the last time, and in which round."""
        return [
            (effect.to, effect.letter.message.round)
            for effect in self.outbox.take()
            if isinstance(effect, Send) and isinstance(effect.letter.message, Hail)
        ]

    def answer(self, node: str, round_: int, now: float, initial=None) -> Batch | None:
        message = Empty("r", initial or self.initial, round_)
        letter = Letter(node, f"{node}#1", 1, NOTHING, message)
        return self.founding.on_empty(letter, message, now)


def test_all_that_are_named_and_empty_begin():
    empties = Empties(("n0", "n1", "n2"))
    empties.founding.tick(QUIET_S, ("n7",))
    round_ = dict(empties.hailed())["n1"]
    assert empties.answer("n1", round_, QUIET_S) is None
    genesis = empties.answer("n2", round_, QUIET_S)
    assert genesis is not None
    (found,) = genesis.commands
    assert isinstance(found, Found)
    assert [seat.node for seat in found.seats] == ["n0", "n1", "n2"]
    assert found.founded_ms == 15_000


def test_it_asks_everybody_not_those_alone_that_are_named():
    empties = Empties(("n0", "n1"))
    empties.founding.tick(0.0, ("n1", "n7"))
    assert [node for node, _ in empties.hailed()] == ["n1", "n7"]


@pytest.mark.parametrize("wrong", ["too early", "another round", "another list", "heard of one"])
def test_there_is_no_genesis(wrong: str):
    empties = Empties(("n0", "n1"))
    now = 1.0 if wrong == "too early" else QUIET_S
    empties.founding.tick(now, ())
    ((_, round_),) = empties.hailed()
    if wrong == "heard of one":
        empties.founding.hear()
    if wrong == "another round":
        round_ -= 1
    initial = ("n0", "n1", "n2") if wrong == "another list" else None
    assert empties.answer("n1", round_, now, initial) is None


def test_answers_of_two_rounds_are_of_two_times():
    empties = Empties(("n0", "n1", "n2"))
    empties.founding.tick(QUIET_S, ())
    empties.answer("n1", dict(empties.hailed())["n1"], QUIET_S)
    empties.founding.tick(2 * QUIET_S, ())
    assert empties.answer("n2", dict(empties.hailed())["n2"], 2 * QUIET_S) is None


def test_the_smallest_name_does_it():
    empties = Empties(("n0", "n1"), node="n1")
    empties.founding.tick(QUIET_S, ())
    ((_, round_),) = empties.hailed()
    assert empties.answer("n0", round_, QUIET_S) is None


def test_who_is_named_alone_asks_before_it_begins():
    empties = Empties(("n0",))
    assert empties.founding.tick(0.0, ("n1",)) is None
    assert empties.hailed() == [("n1", 1)]
    assert empties.founding.tick(QUIET_S - 1, ("n1",)) is None
    assert empties.founding.tick(QUIET_S, ("n1",)) is not None


def test_a_wiped_founder_that_hears_of_its_cluster_does_not_begin():
    empties = Empties(("n0",))
    empties.founding.tick(0.0, ("n1",))
    empties.founding.hear()
    assert empties.founding.tick(QUIET_S, ("n1",)) is None


def test_without_being_named_nobody_begins_but_by_command():
    empties = Empties(())
    empties.founding.tick(0.0, ())
    assert empties.founding.tick(QUIET_S, ()) is None
    empties.founding.ask_for(("n0",))
    assert empties.founding.tick(QUIET_S + 1, ()) is not None


def test_a_node_says_that_it_is_empty_once_it_has_been_so_for_long_enough():
    empties = Empties(("n0", "n1"), node="n1")
    hail = Hail(("n0", "n1"), 4)
    letter = Letter("n0", "n0#1", 1, NOTHING, hail)
    empties.founding.on_hail(letter, hail, QUIET_S - 1)
    assert empties.outbox.take() == []
    empties.founding.on_hail(letter, hail, QUIET_S)
    (sent,) = empties.outbox.take()
    assert isinstance(sent, Send)
    assert sent.letter.message == Empty("r", ("n0", "n1"), 4)


OLD, YOUNG, ONE_FORCED, OTHER_FORCED = (Hash(name.encode()) for name in ("o", "y", "f", "g"))


def of(*lineage: Hash) -> ControlState:
    return ControlState(slot=Slot(3), lineage=lineage, founded_ms=1 if lineage[0] == OLD else 2)


@pytest.mark.parametrize(
    ("own", "used", "other", "expected"),
    [
        ((OLD,), True, (OLD,), Meeting.WAIT),
        ((OLD,), True, (OLD, ONE_FORCED), Meeting.COME_BACK_EMPTY),
        ((OLD, ONE_FORCED), True, (OLD,), Meeting.WAIT),
        ((OLD, ONE_FORCED), True, (OLD, OTHER_FORCED), Meeting.WAIT),
        ((OLD,), True, (YOUNG,), Meeting.WAIT),
        ((YOUNG,), False, (OLD,), Meeting.COME_BACK_EMPTY),
        ((YOUNG,), True, (OLD,), Meeting.STOP),
        ((YOUNG,), True, (OLD, ONE_FORCED), Meeting.STOP),
    ],
)
def test_who_yields(own, used: bool, other, expected: Meeting):
    state, their = of(*own), of(*other)
    lineage = Lineage(their.lineage, their.founded_ms, True, ())
    assert meet(state, used=used, other=lineage) is expected
