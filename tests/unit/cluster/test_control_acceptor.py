"""What one voter promises and accepts."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.control.acceptor import Acceptor
from cluster.control.messages import (
    Accept,
    Acceptance,
    Accepted,
    AcceptorState,
    BallotRefused,
    Prepare,
    Promise,
)
from cluster.control.values import NEVER, Author, Ballot, Batch, Setting, Voter

BALLOTS = [Ballot(round_, node, 1) for round_ in (1, 2, 3) for node in ("n0", "n1")]


def batch(number: int) -> Batch:
    return Batch(b"g", 5, b"p", Author("n0", 1, number), (Setting("x", str(number)),))


def accept(ballot: Ballot, number: int) -> Accept:
    return Accept(5, ballot, batch(number))


def test_a_promise_tells_what_was_accepted():
    acceptor = Acceptor(AcceptorState())
    first, second = BALLOTS[:2]
    assert isinstance(acceptor.accept(accept(first, 1)), Accepted), "no promise is needed"
    promise = acceptor.prepare(Prepare(5, second))
    assert isinstance(promise, Promise)
    assert promise.accepted == Acceptance(first, batch(1))


def test_below_a_promise_nothing_is_promised_or_accepted():
    acceptor = Acceptor(AcceptorState())
    low, high = BALLOTS[0], BALLOTS[3]
    acceptor.prepare(Prepare(5, high))
    state = acceptor.state
    assert acceptor.prepare(Prepare(5, low)) == BallotRefused(low, high)
    assert acceptor.accept(accept(low, 1)) == BallotRefused(low, high)
    assert acceptor.state is state
    assert isinstance(acceptor.accept(accept(high, 1)), Accepted)


def test_to_accept_is_to_promise():
    acceptor = Acceptor(AcceptorState())
    acceptor.accept(accept(BALLOTS[2], 1))
    assert isinstance(acceptor.accept(accept(BALLOTS[0], 2)), BallotRefused)


def test_a_message_that_comes_twice_changes_nothing():
    acceptor = Acceptor(AcceptorState())
    ballot = BALLOTS[0]
    answers = [acceptor.prepare(Prepare(5, ballot)), acceptor.accept(accept(ballot, 1))]
    state = acceptor.state
    again = acceptor.accept(accept(ballot, 1))
    assert again == answers[1]
    assert acceptor.state is state
    assert isinstance(acceptor.prepare(Prepare(5, ballot)), Promise)
    assert acceptor.state is state


def test_a_sealed_acceptor_votes_for_nobody():
    acceptor = Acceptor(AcceptorState())
    acceptor.accept(accept(BALLOTS[0], 1))
    force = Ballot(9, "n2", 1)
    assert acceptor.seal(force) == force
    state = acceptor.state
    assert acceptor.seal(Ballot(8, "n1", 1)) == force, "it is sealed for a later force"
    refused = acceptor.prepare(Prepare(5, BALLOTS[5]))
    assert isinstance(refused, BallotRefused)
    assert refused.reason
    assert acceptor.state == state
    assert not acceptor.unseal(Ballot(8, "n1", 1))
    assert acceptor.unseal(force)
    assert isinstance(acceptor.prepare(Prepare(5, BALLOTS[5])), Promise)


def test_a_welcome_binds_as_much_as_the_memory_of_all_who_welcome():
    acceptor = Acceptor(AcceptorState(promised=BALLOTS[1]))
    n1, n2 = Voter("n1", "d"), Voter("n2", "d")
    accepted = Acceptance(BALLOTS[2], batch(1))
    acceptor.adopt(AcceptorState(promised=BALLOTS[2], accepted=accepted, runs=((n1, 5),)))
    lower = Acceptance(BALLOTS[0], batch(2))
    acceptor.adopt(AcceptorState(promised=BALLOTS[4], accepted=lower, runs=((n1, 3), (n2, 1))))
    state = acceptor.state
    assert (state.promised, state.accepted) == (BALLOTS[4], accepted)
    assert state.runs == ((n1, 5), (n2, 1))


asks = st.one_of(
    st.builds(Prepare, st.just(5), st.sampled_from(BALLOTS)),
    st.builds(accept, st.sampled_from(BALLOTS), st.integers(1, 3)),
)


@given(st.lists(asks, max_size=20))
def test_promises_only_grow_and_each_change_is_counted(messages):
    acceptor = Acceptor(AcceptorState())
    for ask in messages:
        before = acceptor.state
        answer = acceptor.prepare(ask) if isinstance(ask, Prepare) else acceptor.accept(ask)
        now = acceptor.state
        assert isinstance(answer, BallotRefused) == (ask.ballot < before.promised)
        assert now.promised == max(before.promised, ask.ballot)
        assert now.counter == before.counter + (now != before)
        if now.accepted is not None:
            assert NEVER < now.accepted.ballot <= now.promised
