"""The acceptor's rules: what one voter promises and accepts. Pure."""

from typing import Any

import msgspec

from cluster.control.messages import (
    Accept,
    Acceptance,
    Accepted,
    AcceptorState,
    BallotRefused,
    Prepare,
    Promise,
    Runs,
)
from cluster.control.state import ControlState
from cluster.control.values import NEVER, Ballot, Voter

SEALED = "it is sealed for a forced generation"


class Acceptor:
    """
    One voter, for the slot after those that its node has.

    Every answer rests on *state*, so *state* has to be synced before the answer leaves.
    """

    def __init__(self, state: AcceptorState) -> None:
        self.state = state

    def prepare(self, ask: Prepare) -> Promise | BallotRefused:
        """Answer phase 1. The promise holds for this slot and the later ones of this generation."""
        state = self.state
        if (no := self._why_not(ask.ballot)) is not None:
            return no
        if ask.ballot > state.promised:
            state = self._change(promised=ask.ballot)
        return Promise(ask.slot, ask.ballot, state.counter, state.runs, state.accepted)

    def accept(self, ask: Accept) -> Accepted | BallotRefused:
        """Answer phase 2. A promise to somebody larger forbids it; no promise is needed for it."""
        if (no := self._why_not(ask.ballot)) is not None:
            return no
        acceptance = Acceptance(ask.ballot, ask.batch)
        if acceptance != self.state.accepted:
            self._change(promised=ask.ballot, accepted=acceptance)
        return Accepted(ask.slot, ask.ballot, self.state.counter, self.state.runs)

    def _why_not(self, ballot: Ballot) -> BallotRefused | None:
        if self.state.sealed is not None:
            return BallotRefused(ballot, self.state.promised, SEALED)
        return BallotRefused(ballot, self.state.promised) if ballot < self.state.promised else None

    def note_run(self, voter: Voter, run: int) -> int:
        """Note that *voter* is in *run*, if that is news; returns the newest run known of it."""
        runs = dict(self.state.runs)
        if run > runs.get(voter, 0):
            runs[voter] = run
            self._change(runs=_in_order(runs))
        return runs[voter]

    def begin(self, run: int) -> None:
        """Note this node's own run."""
        self._change(run=run)

    def adopt(self, other: AcceptorState) -> None:
        """
        Take over what another voter of the same slot is bound by.

        So this voter is bound by all that it promised or accepted together with that one, even if
        its disk forgot that.
        """
        own = self.state
        runs = dict(own.runs)
        for voter, run in other.runs:
            runs[voter] = max(run, runs.get(voter, 0))
        self._change(
            promised=max(own.promised, other.promised),
            accepted=max(own.accepted, other.accepted, key=_ballot_of),
            runs=_in_order(runs),
            sealed=max(own.sealed, other.sealed, key=lambda force: force or NEVER),
        )

    def seal(self, force: Ballot) -> Ballot:
        """Vote no more in this generation, as *force* wants it; returns the largest such force."""
        if force > (self.state.sealed or NEVER):
            self._change(sealed=force)
        return self.state.sealed or force

    def unseal(self, force: Ballot) -> bool:
        """Vote again, if it was *force* that forbade it."""
        if self.state.sealed != force:
            return False
        self._change(sealed=None)
        return True

    def advance(self, state: ControlState, *, new_generation: bool) -> None:
        """Go on to the slot after *state*: nothing is accepted there yet."""
        if new_generation:
            self._change(promised=NEVER, accepted=None, runs=(), sealed=None)
            return
        voters = set(state.voters)
        runs = tuple((voter, run) for voter, run in self.state.runs if voter in voters)
        if self.state.accepted is not None or runs != self.state.runs:
            self._change(accepted=None, runs=runs)

    def _change(self, **fields: Any) -> AcceptorState:
        changed = msgspec.structs.replace(self.state, **fields)
        if changed != self.state:
            self.state = msgspec.structs.replace(changed, counter=self.state.counter + 1)
        return self.state


def _ballot_of(acceptance: Acceptance | None) -> Ballot:
    return NEVER if acceptance is None else acceptance.ballot


def _in_order(runs: dict[Voter, int]) -> Runs:
    return tuple(sorted(runs.items()))
