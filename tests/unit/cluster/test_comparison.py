"""Which nodes are compared, and what a comparison says."""

from cluster.messages import CompareRequest, Difference
from cluster.model import NodeId, Origin, Summed
from cluster.objects import comparison
from cluster.objects.comparison import COUNT_BYTES, HASH_BYTES, PARTITIONS, SUMS_BYTES

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
ONE, OTHER = Origin("a", 1), Origin("b", 1)
WIDTH = HASH_BYTES + COUNT_BYTES


def sums(changed: dict[int, tuple[int, int]]) -> bytes:
    """Sum and rows of the partitions named; the rest is empty."""
    parts = [changed.get(number, (0, 0)) for number in range(PARTITIONS)]
    return b"".join(
        total.to_bytes(HASH_BYTES, "big") + rows.to_bytes(COUNT_BYTES, "big")
        for total, rows in parts
    )


def test_only_members_with_the_same_events_are_asked():
    """Broken: nodes that are merely behind are taken for damaged ones."""
    mine = {ONE: 3, OTHER: 2}
    haves = {A: {ONE: 3}, B: {ONE: 3, OTHER: 3}, C: {OTHER: 2, ONE: 3, Origin("c", 1): 0}}
    assert comparison.next_to_ask(mine, haves, {}) == C
    assert comparison.next_to_ask(mine, {A: haves[A], B: haves[B]}, {}) is None
    assert comparison.next_to_ask(mine, {}, {}) is None


def test_members_take_turns():
    """Broken: a wrong index is never compared, because another member comes first each time."""
    haves, asked, order = {A: {ONE: 1}, B: {ONE: 1}, C: {ONE: 1}}, {}, []
    for number in range(1, 7):
        node = comparison.next_to_ask({ONE: 1}, haves, asked)
        assert node is not None
        asked[node] = number
        order.append(node)
    assert order == [A, B, C, A, B, C]


def test_the_answer_names_the_partitions_that_differ():
    """A sum, and a count by itself, are differences; the rows are those of who answers."""
    mine = Summed({ONE: 1}, sums({0: (5, 1), 7: (9, 2), 255: (1, 1)}))
    other = CompareRequest(B, {ONE: 1}, sums({0: (5, 1), 7: (8, 2), 255: (1, 3)}))
    reply = comparison.answer(mine, other, sound=True)
    assert reply.same_vector
    assert reply.sound
    assert reply.differences == (Difference(7, 2), Difference(255, 1))
    assert len(mine.sums) == SUMS_BYTES
    same = CompareRequest(B, {ONE: 1, OTHER: 0}, mine.sums)
    assert comparison.answer(mine, same, sound=False).differences == ()


def test_nothing_is_said_of_rows_with_other_events():
    """Broken: every write alarms, until it is everywhere."""
    mine = Summed({ONE: 2}, sums({1: (1, 1)}))
    reply = comparison.answer(mine, CompareRequest(B, {ONE: 1}, sums({})), sound=False)
    assert not reply.same_vector
    assert reply.differences == ()
