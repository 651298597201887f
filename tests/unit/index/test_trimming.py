"""
Tags whose histories are trimmed, against a model that forgets nothing.

Broken: a deleted tag comes back, or a push that was acknowledged is gone, months after it.
"""

import random
from collections.abc import Collection, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.events import Withdraw, Write, decode_body
from cluster.gossip.merge import Version
from cluster.model import Digest, Dot, Event
from node.index import history, local, objects, rows
from node.index.journal import Transaction
from node.index.store import END, Mutation
from node.registry.ports import TagWrite
from tests.unit.index.orders import DAY_MS, HandClock, Place

REPO, TAG = "lib/app", "latest"
KEPT_MAX = 8


@pytest.fixture(autouse=True, scope="module")
def short_histories() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "KEPT_MAX", KEPT_MAX)
        yield


class Tagger(Place):
    """A node that writes one tag."""

    def __init__(self, name: str, wall: HandClock) -> None:
        super().__init__(name, wall)
        self.open: list[TagWrite] = []
        """What it may yet take back."""
        self._model = Model(())

    @property
    def model(self) -> "Model":
        if self._model.size != len(self.heard):
            self._model = Model(self.heard)
        return self._model

    def write(self, value: str = "") -> TagWrite:
        digest = Digest.of((value or str(len(self.heard))).encode())
        made: list[TagWrite] = []

        def change(txn: Transaction) -> Dot:
            made.append(local.push_tag(txn, REPO, TAG, digest))
            return made[0].event

        self.change(change)
        self.open.append(made[0])
        return made[0]

    def delete(self) -> Dot:
        return self.change(lambda txn: local.write_tag(txn, REPO, TAG, None))

    def untag(self, digest: Digest) -> Dot:
        return self.change(lambda txn: local.untag(txn, REPO, TAG, digest))

    def withdraw(self, write: TagWrite) -> Dot:
        self.open.remove(write)
        return self.change(lambda txn: local.withdraw_tag(txn, REPO, write))

    @property
    def heads(self) -> tuple[Version, ...]:
        return objects.register(self.look(), "tags", REPO, TAG).heads

    @property
    def values(self) -> list[str | None]:
        return [head.value for head in self.heads]


class Model:
    """What a set of events says of the tag, nothing forgotten."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.size = len(events)
        self.writes: dict[Dot, tuple[Event, Write]] = {}
        self.withdrawals: dict[Dot, Event] = {}
        for event in events:
            body = decode_body(event)
            if isinstance(body, Write):
                self.writes[event.dot] = event, body
            elif isinstance(body, Withdraw):
                self.withdrawals |= dict.fromkeys(body.dots, event)
        every = sorted((e.stamp, e.dot) for e in events)
        newest = every[-1][0] if every else 0
        oldest = newest - (history.KEPT_DAYS * DAY_MS << 16)
        self.kept = [dot for stamp, dot in every[-KEPT_MAX:] if stamp >= oldest]
        """Oldest first."""

    def heads(self, among: Collection[Dot] | None = None) -> tuple[Version, ...]:
        """The writes that no other one replaced; of some, those that none of them did."""
        writes = set(self.writes if among is None else among)
        gone = set(self.withdrawals)
        for dot in writes - self.withdrawals.keys():
            gone |= self._reach(dot)
        found = [(dot, *self.writes[dot]) for dot in sorted(writes - gone)]
        return tuple(Version(d, e.stamp, b.value) for d, e, b in found if b.value is not None)

    def _reach(self, dot: Dot) -> set[Dot]:
        reached = set(self.writes[dot][1].replaces)
        for replaced in self.writes[dot][1].replaces:
            if replaced in self.withdrawals:
                reached |= self._reach(replaced)
        return reached

    def is_late(self, event: Event) -> bool:
        """Whether decision 6 lets nodes differ, if *event* comes only now."""
        body, kept = decode_body(event), set(self.kept)
        if isinstance(body, Withdraw):
            return not kept.issuperset(body.dots)
        assert isinstance(body, Write)
        dropped = self.writes.keys() - kept
        told = {head.dot for head in self.heads(dropped)}
        told |= {dot for dot, event in self.withdrawals.items() if event.dot in kept}
        return not told.issuperset(dropped.intersection(body.replaces))


class Watch:
    """Nodes that write one tag and hear of each other, checked against the model at every step."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.wall = HandClock()
        self.places = [Tagger(name, self.wall) for name in "abc"]
        self.late = False

    def act(self, *, promptly: bool) -> None:
        """Have some node write, or take back what it wrote: *promptly* what it wrote of late."""
        place = self.rng.choice(self.places)
        self.wall.ms += 1 if self.rng.randrange(20) else 150 * DAY_MS
        before = place.model
        doubtful = [w for w in place.open if not promptly or w.event in before.kept[-5:]]
        match self.rng.randrange(8):
            case 0 | 1 | 2 if doubtful:
                place.withdraw(self.rng.choice(doubtful[-3:]))
            case 3 if place.heads:
                place.delete()
            case 4 if place.heads:
                place.untag(Digest(self.rng.choice(place.values) or ""))
            case _:
                place.write(self.rng.choice("xyz"))
        self.late = self.late or before.is_late(place.heard[-1])
        self.check(place)

    def hear(self, place: Tagger, events: Sequence[Event]) -> None:
        for event in events:
            if place.knows(event.dot):
                continue
            self.late = self.late or place.model.is_late(event)
            place.hear(event)
            self.check(place)

    def check(self, place: Tagger) -> None:
        standing = place.model.heads()
        if self.late:
            assert set(place.heads) <= set(standing), "what was replaced or deleted stands"
        else:
            assert place.heads == standing
        kept = history.kept(place.look(), REPO, TAG)
        assert [entry.version.dot for entry in kept] == place.model.kept

    def exchange(self) -> None:
        for place in self.places * 2:
            for other in self.places:
                self.hear(place, other.heard)

    def settle(self) -> None:
        """Every node writes over what it sees, and then all that was before is dropped."""
        for place in (*self.places, *self.places[:1] * KEPT_MAX):
            place.write()
            self.exchange()

    def replay(self, reach: int) -> Tagger:
        """
        One more node, which hears of everything in an order of its own: next comes one of the
        first *reach* events that may.
        """
        place, ahead = Tagger("d", self.wall), list(self.places[0].heard)
        while ahead:
            event = self.rng.choice([e for e in ahead if place.is_next(e)][:reach])
            ahead.remove(event)
            self.hear(place, [event])
        return place


dice = st.randoms(use_true_random=False)


@given(dice, st.integers(1, 40))
@settings(deadline=None, max_examples=20)
def test_nodes_that_keep_up_forget_nothing_that_counts(rng: random.Random, count: int):
    watch = Watch(rng)
    for _ in range(count):
        watch.act(promptly=True)
        for place in watch.places:
            for other in watch.places:
                if rng.randrange(3):
                    watch.hear(place, other.heard)
    watch.exchange()
    last = watch.replay(3)
    if not watch.late:
        for place in watch.places:
            assert place.rows() == last.rows()


@given(dice, st.integers(10, 40))
@settings(deadline=None, max_examples=15)
def test_in_any_order_nothing_that_was_replaced_comes_back(rng: random.Random, count: int):
    watch = Watch(rng)
    for _ in range(count):
        watch.act(promptly=bool(rng.randrange(3)))
        place, other = rng.sample(watch.places, 2)
        if not rng.randrange(4):
            watch.hear(place, other.heard[: rng.randrange(len(other.heard) + 1)])
    watch.exchange()
    watch.places.append(watch.replay(count))
    if watch.late:
        watch.settle()
    for place in watch.places:
        assert place.rows() == watch.places[0].rows()


@pytest.mark.parametrize("heard_of_it", [False, True])
def test_a_deleted_tag_stays_deleted_however_much_is_forgotten(heard_of_it: bool):
    """Whoever wrote after the push that failed has replaced what it hid, seen or not."""
    wall = HandClock()
    one, other = Tagger("a", wall), Tagger("b", wall)
    one.write("p")
    other.hear_from(one)
    failed = one.write("w")
    if heard_of_it:
        other.hear_from(one)
    other.write("x")
    wall.ms += 1
    one.withdraw(failed)
    one.hear_from(other)
    for value in range(KEPT_MAX - 2):
        wall.ms += 1
        one.write(str(value))
    one.delete()
    other.hear_from(one)
    assert one.heads == other.heads == ()
    assert one.rows() == other.rows()


@pytest.mark.parametrize("failed_before", [False, True])
def test_what_a_failed_push_hid_stands_again_however_old_it_is(failed_before: bool):
    wall = HandClock()
    place = Tagger("a", wall)
    acknowledged = place.write("p")
    if failed_before:
        place.withdraw(place.write("w"))
    wall.ms += 400 * DAY_MS
    place.withdraw(place.write("w"))
    assert [head.dot for head in place.heads] == [acknowledged.event]


def test_what_an_older_version_trimmed_stands_again_as_far_as_it_was_a_head():
    wall = HandClock()
    place = Tagger("a", wall)
    acknowledged = place.write("p")
    wall.ms += 400 * DAY_MS
    place.withdraw(place.write("w"))
    [(key, row)] = place.journal.store.scan("histories", b"", END)
    older = rows.decode(rows.HistoryTotalsRow, row)
    place.journal.store.write([Mutation("histories", key, rows.encode(older))])
    place.withdraw(place.write("w"))
    assert [head.dot for head in place.heads] == [acknowledged.event]


def test_a_history_of_which_nothing_is_left_has_the_row_of_older_versions():
    """Broken: two nodes, of which one was upgraded before a write and one after it, differ."""
    place = Tagger("a", HandClock())
    for _ in range(KEPT_MAX):
        place.write()
    [(_, row)] = place.journal.store.scan("histories", b"", END)
    assert rows.encode(rows.decode(rows.HistoryTotalsRow, row)) == row


def test_an_old_conflict_stands_again_as_it_was():
    """Broken: the older of two heads is lost, since something newer than it was dropped."""
    wall = HandClock()
    one, other = Tagger("a", wall), Tagger("b", wall)
    one.write("p")
    wall.ms += 1
    other.write("y")
    one.hear_from(other)
    before = one.heads
    assert len(before) == 2
    wall.ms += 400 * DAY_MS
    one.withdraw(one.write("w"))
    assert one.heads == before


def test_who_replaced_a_failed_push_replaced_what_it_hid_though_all_that_is_forgotten():
    wall = HandClock()
    one, other = Tagger("a", wall), Tagger("b", wall)
    one.write("p")
    failed = one.write("w")
    other.hear_from(one)
    wall.ms += 1
    one.withdraw(failed)
    wall.ms += 1
    deleted = other.delete()
    one.hear_from(other)
    # Each of these fails. The last of them drops the withdrawal, and leaves the deletion.
    while deleted in {entry.version.dot for entry in history.kept(one.look(), REPO, TAG)}:
        one.withdraw(one.write())
        assert one.heads == ()
    one.withdraw(one.write())
    assert one.heads == ()


def test_who_deletes_what_a_failed_push_hid_need_not_know_that_it_failed():
    """All that would tell what the deletion names is forgotten where it is heard of."""
    wall = HandClock()
    one, other = Tagger("a", wall), Tagger("b", wall)
    acknowledged = one.write("p")
    failed = one.write("w")
    other.hear_from(one)
    one.withdraw(failed)
    for _ in range(KEPT_MAX // 2):
        wall.ms += 1
        one.withdraw(one.write())
    assert [head.dot for head in one.heads] == [acknowledged.event]
    other.delete()
    one.hear_from(other)
    assert one.heads == ()
