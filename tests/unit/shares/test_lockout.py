"""Waiting after failed log-ins: who guesses waits, and nobody else does."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from node.shares.lockout import FIRST_S, FORGIVEN_S, FREE, LONGEST_S, Lockout
from node.shares.rates import Rate

HOME, AWAY = "192.0.2.1", "2001:db8::/64"


_guesses = count()


def guess() -> bytes:
    """Another secret each time."""
    return str(next(_guesses)).encode()


def fail(lockout: Lockout, name: str, network: str, now: float) -> float:
    wait_s = lockout.try_now(name, network, guess(), now)
    if wait_s == 0.0:
        lockout.failed(network, now)
    return wait_s


def test_each_failure_doubles_the_wait_up_to_a_bound():
    lockout, now, waits = Lockout(), 0.0, []
    for _ in range(FREE + 14):
        if (wait_s := fail(lockout, "ann", HOME, now)) > 0.0:
            waits.append(wait_s)
            now += wait_s
            assert fail(lockout, "ann", HOME, now) == 0.0
    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_mistyping_costs_nothing():
    lockout = Lockout()
    assert [fail(lockout, "ann", HOME, 0.0) for _ in range(FREE)] == [0.0] * FREE


def test_who_is_right_has_never_failed():
    lockout = Lockout()
    for _ in range(FREE):
        fail(lockout, "ann", HOME, 0.0)
    assert lockout.try_now("ann", HOME, guess(), 0.0) == 0.0
    lockout.succeeded("ann", HOME)
    assert len(lockout) == 0
    assert [fail(lockout, "ann", HOME, 0.0) for _ in range(FREE)] == [0.0] * FREE


def test_asking_meanwhile_makes_no_wait_longer():
    """Broken: a client that tries again by itself is locked out for ever."""
    lockout = Lockout()
    for _ in range(FREE + 1):
        fail(lockout, "ann", HOME, 0.0)
    assert [fail(lockout, "ann", HOME, 0.5) for _ in range(9)] == [FIRST_S / 2] * 9
    assert fail(lockout, "ann", HOME, FIRST_S) == 0.0


def test_many_at_once_are_no_way_around():
    """Broken: a thousand guesses are sent before the first one is found to be wrong."""
    lockout = Lockout()
    let_in = sum(lockout.try_now("ann", HOME, guess(), 0.0) == 0.0 for _ in range(1000))
    assert let_in == FREE + 1


def test_time_forgives():
    lockout = Lockout()
    for _ in range(FREE + 1):
        fail(lockout, "ann", HOME, 0.0)
    later = FORGIVEN_S + 1.0
    assert [fail(lockout, "ann", HOME, later) for _ in range(FREE)] == [0.0] * FREE


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.floats(0, 5)), max_size=60))
def test_nobody_locks_out_anybody_else(tries: list[tuple[str, float]]):
    """Broken: whoever knows a name keeps its owner out. All failures are of another network."""
    lockout, now = Lockout(), 0.0
    for name, pause in tries:
        now += pause
        fail(lockout, name, AWAY, now)
        assert lockout.try_now("ann", HOME, guess(), now) == 0.0
        lockout.succeeded("ann", HOME)


def test_one_password_on_all_names_gets_no_further():
    lockout = Lockout(network_rate=Rate(20, 60.0))
    let_in = sum(fail(lockout, f"user{number}", AWAY, 0.0) == 0.0 for number in range(1000))
    assert let_in == 20
    assert 0.0 < lockout.try_now("user1001", AWAY, guess(), 0.0) <= 3.0
    assert lockout.try_now("user1", HOME, guess(), 0.0) == 0.0


def test_who_succeeds_is_no_burden_to_their_network():
    """Broken: a build farm behind one address logs in too often, by the right passwords."""
    lockout = Lockout(network_rate=Rate(20, 60.0))
    for number in range(100):
        assert lockout.try_now(f"robot{number}", HOME, guess(), 0.0) == 0.0
        lockout.succeeded(f"robot{number}", HOME)


def test_it_remembers_a_bounded_number_of_pairs():
    lockout = Lockout(pairs_max=100, network_rate=Rate(1e6, 60.0))
    for number in range(1000):
        fail(lockout, f"user{number}", HOME, float(number))
    assert len(lockout) == 100


def test_the_same_secret_again_is_no_other_try():
    """Broken: a client with ten connections, each with the right password, is locked out."""
    lockout = Lockout()
    assert [lockout.try_now("ann", HOME, b"same", 0.0) for _ in range(100)] == [0.0] * 100
    for _ in range(FREE):
        fail(lockout, "ann", HOME, 0.0)
    assert lockout.try_now("ann", HOME, b"same", 0.5) == FIRST_S / 2, "and none goes around a wait"


def test_what_could_not_be_decided_counts_for_nothing():
    lockout = Lockout()
    for _ in range(20):
        assert lockout.try_now("ann", HOME, guess(), 0.0) == 0.0
        lockout.undecided("ann", HOME)
    assert [fail(lockout, "ann", HOME, 0.0) for _ in range(FREE)] == [0.0] * FREE
