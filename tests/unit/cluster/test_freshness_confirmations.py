"""Who has confirmed an event, by the last word of each member."""

from collections.abc import Mapping

import pytest

from cluster.freshness.confirmations import Confirmations, Told
from cluster.messages import Confirmation, Stage
from cluster.model import Disk, NodeId, Run

A, B, C = (Disk(NodeId(name), f"{name}-disk1") for name in "abc")
B1, B2, C1, C2 = Run(B, 1), Run(B, 2), Run(C, 1), Run(C, 2)
STAGE, NEXT = Stage(1, 1), Stage(1, 2)
EPOCHS = {A: 1, B: 1, C: 1}


class Writer:
    """A node's log, and who has said that it has it."""

    def __init__(self) -> None:
        self.said = Confirmations()
        self.said.begin(STAGE)
        self.told: set[tuple[Run, int]] = set()

    def hear(
        self, run: Run, upto: int, readers: Mapping[Run, int] | None = None, *,
        epochs: Mapping[Disk, int] = EPOCHS, stage: Stage = STAGE,
    ) -> Told:  # fmt: skip
        word = Confirmation(1, upto, dict(readers or {}), dict(epochs))
        return self.said.note(run, stage, word)

    def has(self, run: Run, seq: int) -> bool:
        return (run, seq) in self.told

    def confirmed(self, seq: int, epochs: Mapping[Disk, int] = EPOCHS) -> set[Disk]:
        return set(self.said.confirmed(seq, epochs, self.has))


@pytest.fixture
def writer() -> Writer:
    return Writer()


def test_a_word_without_readers_counts(writer: Writer):
    writer.hear(B1, 5)
    assert writer.confirmed(5) == {B}
    assert writer.confirmed(6) == set()


def test_a_reader_that_lacks_the_event_holds_it_up(writer: Writer):
    writer.hear(B1, 5, {C1: 4})
    assert writer.confirmed(4) == {B}
    assert writer.confirmed(5) == set()


def test_a_reader_says_itself_that_it_has_the_event(writer: Writer):
    writer.hear(B1, 5, {C1: 4})
    writer.told.add((C1, 5))
    assert writer.confirmed(5) == {B}


def test_a_reader_told_another_member_that_it_has_the_event(writer: Writer):
    writer.hear(B1, 5, {C1: 4})
    writer.hear(Run(A, 1), 2, {C1: 5})
    assert writer.confirmed(5) == {B}


def test_that_is_the_word_of_a_run(writer: Writer):
    writer.hear(Run(A, 1), 2, {C1: 5})
    writer.hear(B1, 5, {C2: 0})
    assert writer.confirmed(5) == set()


def test_the_last_word_counts(writer: Writer):
    """A reader that fell behind is not named any more: nobody has to wait for it."""
    writer.hear(B1, 5, {C1: 4})
    writer.hear(B1, 5)
    assert writer.confirmed(5) == {B}


def test_a_word_that_is_overtaken_takes_nothing_back(writer: Writer):
    writer.hear(B1, 6)
    writer.hear(B1, 5, {C1: 5})
    assert writer.confirmed(6) == {B}
    assert writer.said.has(C1, 5)


def test_a_word_of_an_earlier_run_does_not_count_where_the_writer_knows_of_a_later_one(
    writer: Writer,
):
    writer.hear(B1, 5)
    assert writer.confirmed(5, {**EPOCHS, B: 2}) == set()


def test_a_word_of_an_earlier_run_does_not_count_beside_one_that_knows_of_a_later_one(
    writer: Writer,
):
    writer.hear(B1, 5)
    writer.hear(C1, 5, epochs={**EPOCHS, B: 2})
    assert writer.confirmed(5) == {C}


def test_a_word_that_does_not_count_for_the_event_knows_of_nothing(writer: Writer):
    """c, which lacks the event, got back nothing of it: what b said stands."""
    writer.hear(B1, 5)
    writer.hear(C1, 4, epochs={**EPOCHS, B: 2})
    assert writer.confirmed(5) == {B}


def test_a_word_of_a_later_run_does_not_count_beside_one_that_knows_of_the_earlier_one(
    writer: Writer,
):
    """The later one may not know whom that one met."""
    writer.hear(B1, 5)
    writer.hear(C2, 5)
    assert writer.confirmed(5, {**EPOCHS, C: 2}) == {B}


def test_a_later_run_speaks_for_itself(writer: Writer):
    writer.hear(B1, 5)
    assert writer.hear(B2, 3, epochs={**EPOCHS, B: 2}) == Told(0, 3, others=True)
    assert writer.confirmed(5, {**EPOCHS, B: 2}) == set()
    assert writer.confirmed(3, {**EPOCHS, B: 2}) == {B}


def test_a_word_of_another_stage_does_not_count(writer: Writer):
    writer.hear(B1, 5, {C1: 5}, stage=NEXT)
    assert writer.confirmed(5) == set()
    assert writer.said.has(C1, 5)


def test_another_stage_begins_without_words(writer: Writer):
    writer.hear(B1, 5)
    writer.said.begin(STAGE)
    assert writer.confirmed(5) == {B}
    writer.said.begin(NEXT)
    assert writer.confirmed(5) == set()


def test_the_news_are_the_events_that_may_stand_otherwise(writer: Writer):
    writer.hear(B1, 5, {C1: 2})
    assert writer.hear(B1, 7, {C1: 4}) == Told(2, 7, others=False)
    assert writer.hear(B1, 7, {C1: 4}) == Told(7, 7, others=False)
    assert writer.hear(B1, 7) == Told(7, 7, others=True)


def test_what_runs_said_that_are_over_is_forgotten(writer: Writer):
    writer.hear(B1, 5, {C1: 5})
    writer.said.forget_runs({**EPOCHS, C: 2})
    assert not writer.said.has(C1, 5)
