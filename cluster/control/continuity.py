"""
May a voter vote in its present run? Only if its disk remembers what earlier runs promised. Pure.

A disk may have been set back (a snapshot of the machine, a disk that lies about syncs), and nothing
on it says so. An acceptor that forgot an answer lets two values be decided in one slot. So a new
run of voter A says `Hello` to the other voters, and votes once enough of them answered `Welcome`:
`others_needed`, so many that one of them is in every majority that A was part of. Each of them
notes A's new run before it answers, and from then on names that run in its own answers. Let P be a
proposer that counted an answer of A's earlier run, which A forgot. P counted it beside one of voter
B, which welcomed A:

- B answered P before it welcomed A: then the welcome told A what B had promised and accepted, and A
  is bound by it as if it remembered.
- B answered P later: then B's answer named A's new run, and P does not count A's earlier one.

A run that the slot which made A a voter names need not ask: earlier runs ended before that slot was
decided, so they never voted after it.

After a power cut of all voters nobody may welcome anybody. So a voter that was not welcomed in time
trusts its disk, unless somebody heard more of that disk than is on it.
"""

from cluster.control.state import ControlState
from cluster.control.values import Seat, Voter
from cluster.control.voters import others_needed


class Continuity:
    """What the present run of one voter knows of its disk. Times are seconds, monotonic."""

    def __init__(self, me: Voter, run: int, counter: int, *, trust_at: float) -> None:
        """*counter* is the one that the disk had when the run began."""
        self.run = run
        self._me = me
        self._counter = counter
        self._trust_at = trust_at
        self._welcomed: set[Voter] = set()
        self.is_set_back = False
        """Whether somebody heard more of the disk than is on it."""

    def may_vote(self, state: ControlState, now: float) -> bool:
        """Whether this run may vote on the slot after *state*."""
        seat = state.seat_of(*self._me)
        if seat is None:
            return False
        return seat.run == self.run or self._is_welcome(state.seats) or self._trusts(now)

    def has_to_ask(self, state: ControlState, now: float) -> bool:
        return state.seat_of(*self._me) is not None and not self.may_vote(state, now)

    def _is_welcome(self, seats: tuple[Seat, ...]) -> bool:
        others = sum(seat.voter in self._welcomed for seat in seats)
        # A single voter has nobody to ask.
        return others >= others_needed(seats) > 0

    def _trusts(self, now: float) -> bool:
        return now >= self._trust_at and not self.is_set_back

    def welcome(self, voter: Voter) -> None:
        """Note that *voter*, who votes on the same slot, noted this run, and told what it knows."""
        self._welcomed.add(voter)

    def hear(self, counter: int) -> None:
        """Note that somebody heard the disk say *counter* in an earlier run."""
        self.is_set_back = self.is_set_back or counter > self._counter

    def begin_again(self, run: int) -> None:
        """Take another number for this run: somebody knew the one before it."""
        self.run = run
        self._welcomed.clear()


class LastSaid:
    """The largest counters that this node heard from the disks of voters."""

    def __init__(self) -> None:
        self._runs: dict[Voter, tuple[int, int]] = {}
        self._earlier: dict[Voter, int] = {}

    def note(self, voter: Voter, run: int, counter: int) -> None:
        newest, heard = self._runs.get(voter, (run, 0))
        if run == newest:
            self._runs[voter] = (run, max(heard, counter))
            return
        ended = counter if run < newest else heard
        self._earlier[voter] = max(ended, self._earlier.get(voter, 0))
        if run > newest:
            self._runs[voter] = (run, counter)

    def before(self, voter: Voter, run: int) -> int:
        """The largest counter of the runs of *voter* before *run*; 0 when none was heard."""
        newest, heard = self._runs.get(voter, (run, 0))
        return max(self._earlier.get(voter, 0), heard if newest < run else 0)
