"""One attempt of a proposer: its ballot, who promised and who accepted, and who counts. Pure."""

from typing import Final

from cluster.control.messages import Acceptance, Runs
from cluster.control.state import ControlState
from cluster.control.values import Ballot, Batch, Voter
from cluster.control.voters import majority

Answers = dict[Voter, int]
"""Who answered, each voter once, and in which run."""


class Attempt:
    """
    The answers to one ballot, all from the voters of one era.

    An answer counts if it is of the newest run of its voter that any of the answers names: an
    earlier run may have been forgotten by its disk (`continuity`).
    """

    def __init__(self, ballot: Ballot, state: ControlState) -> None:
        self.ballot: Final = ballot
        self.era: Final = state.era
        self.seats: Final = state.seats
        self._newest = {seat.voter: seat.run for seat in state.seats}
        self.promises: Answers = {}
        self.accepts: Answers = {}
        self.found: Acceptance | None = None
        """What was accepted already, at the largest ballot that a promise told of."""

        self.sent: Batch | None = None
        """What was proposed at this ballot, in the last slot in which something was."""

    def promised(self, voter: Voter, run: int, runs: Runs, accepted: Acceptance | None) -> None:
        self._answered(self.promises, voter, run, runs)
        if accepted is not None and (self.found is None or accepted.ballot > self.found.ballot):
            self.found = accepted

    def accepted(self, voter: Voter, run: int, runs: Runs) -> None:
        self._answered(self.accepts, voter, run, runs)

    def _answered(self, answers: Answers, voter: Voter, run: int, runs: Runs) -> None:
        if voter not in self._newest:
            return
        answers[voter] = max(run, answers.get(voter, run))
        for named, newest in (*runs, (voter, run)):
            if newest > self._newest.get(named, newest):
                self._newest[named] = newest

    def counted(self, answers: Answers) -> list[Voter]:
        return [voter for voter, run in answers.items() if run >= self._newest[voter]]

    def is_majority(self, answers: Answers) -> bool:
        return len(self.counted(answers)) >= majority(self.seats)

    def propose(self, batch: Batch) -> None:
        """Begin phase 2 with *batch*; the promises stay."""
        self.sent = batch
        self.accepts = {}
        self.found = None

    def missing(self, answers: Answers) -> tuple[str, ...]:
        """The nodes whose answers are missing or do not count."""
        counted = self.counted(answers)
        return tuple(seat.node for seat in self.seats if seat.voter not in counted)
