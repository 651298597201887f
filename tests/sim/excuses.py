"""
What the checker does not judge, or judges more mildly, and why that is no fault.

`docs/simulation.md` has this table, with how often each excuse was made in the run that it records.
One that is counted is made where without it there would have been a violation, or nothing is looked
at; the others are bounds that all is judged by.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tests.sim.history import Op


class Excuse(NamedTuple):
    promise: str
    """Of the nine (`README.md`), or of the failure detector and the bounds."""
    what: str
    why: str
    where: str
    """Module of the simulator, and a name in it."""
    counted: bool = True


EXCUSES: Final = {
    "one disk will do": Excuse(
        "P1",
        "a write was acknowledged on fewer than `copies` disks",
        "its project asks for `local`",
        "checker._are_enough",
    ),
    "small cluster": Excuse(
        "P1",
        "a write was acknowledged on fewer than `copies` disks",
        "the others of a cluster of `copies` nodes were away (decision 17)",
        "checker._are_enough",
    ),
    "gone with its disk": Excuse(
        "P1",
        "a write, or a blob of it, is nowhere any more",
        "its project asks for `local`, and every disk that had it was destroyed",
        "checker._gone",
    ),
    "disk just lost": Excuse(
        "P1",
        "a disk that was destroyed up to 8 s ago counts among those that have a write",
        "it may have confirmed it, and nobody can know yet that it is no more",
        "world._disks",
    ),
    "lost before": Excuse(
        "P1",
        "a version of the layout is live alone without a majority that has what was acknowledged",
        "a disk was destroyed or set back before; what it had is looked for everywhere in the end",
        "quorums.Quorums",
        False,
    ),
    "away from the start": Excuse(
        "P1",
        "a `global` write is not at a member that its node counted as dead at some time meanwhile",
        "it waits for those that live",
        "checker._acknowledged",
        False,
    ),
    "open for ever": Excuse(
        "P1, P2, P5",
        "what has no answer, or one of OutcomeUnknown, may take effect once, at any later time",
        "nobody was promised anything (decision 21); a refusal that says so has changed nothing",
        "order.writes_of",
    ),
    "may be undone": Excuse(
        "P2, P5",
        "what was acknowledged is not found",
        "a deletion that the write's node did not know of may have come after it",
        "order.may_undo",
    ),
    "nobody to ask": Excuse(
        "P2",
        "what was acknowledged is not found",
        "no node that has it was linked to the reader's from the beginning of the read to its end",
        "order.must_be_seen",
    ),
    "another region": Excuse(
        "P2",
        "a tag, or a list that is not empty, is older than what another region acknowledged",
        "what is here is served without asking; `local` writes count as those of another region",
        "order.must_be_seen",
    ),
    "unconfirmed": Excuse(
        "P2",
        "a tag, or a list that is not empty, is older than what its region acknowledged",
        "no majority of the region was connected to the reader, and the answer says so",
        "order.must_be_seen",
    ),
    "no room here": Excuse(
        "P2",
        "a blob is refused that is on a disk in reach",
        "what is fetched is written to the reader's own disk, which is full or fails",
        "world.expect_an_answer",
    ),
    "refused in trouble": Excuse(
        "P2",
        "a request is refused, or fails",
        "a fault goes on, or ended less than 12 s ago; blobs on a disk in reach aside",
        "world.expect_an_answer",
    ),
    "gave up early": Excuse(
        "P2",
        "a `global` write is answered that its outcome is unknown; what it wrote is looked for on "
        "every node",
        "`durable_timeout_s` is less than a member far away may take to say that it has the write",
        "promptness.gave_up_early",
    ),
    "a clock was wrong": Excuse(
        "tokens",
        "a token is taken after its life",
        "the clock of the node that gave it out, or of the one that takes it, was further off than "
        "the bound; by these clocks it has not ended",
        "identity.judge.Judge._insist_on_life",
    ),
    "slow in trouble": Excuse(
        "P2",
        "how long an acknowledged write took, to its client and to every node, is not looked at",
        "a fault goes on, or ended less than 12 s ago",
        "world.expect_everywhere",
    ),
    "elder of the history": Excuse(
        "P3",
        "a write is not in the history of its tag",
        "as many later ones are there as are kept",
        "checker._is_forgotten",
    ),
    "a node's own": Excuse(
        "P3",
        "some families of two indexes may differ",
        "log, deletions, blobs and uploads are its own; the model looks at what they are for",
        "checker.OWN_FAMILIES",
        False,
    ),
    "not decoded": Excuse(
        "P3",
        "an event that is poison means nothing, to the model as well",
        "it stays in quarantine on every node alike",
        "model.Model",
        False,
    ),
    "not linked yet": Excuse(
        "P6",
        "a blob could be read at the second attempt only, 10 s later, when all was over",
        "indexes may be alike before the last link is up again",
        "checker._contents",
    ),
    "whole too late": Excuse(
        "P2, P3",
        "indexes differ, and clients wait, until 30 s after the last fault",
        "restarts, dials and what has to be caught up take that long",
        "world.HEAL_S",
        False,
    ),
    "restored": Excuse(
        "P3",
        "the order of events is not looked at, nor what is forgotten",
        "a checkpoint is taking the place of the index",
        "watch.Watch",
    ),
    "earlier version": Excuse(
        "P2, P3",
        "a node of an earlier version is asked nothing, and may have an event without what that "
        "builds on",
        "it keeps what it cannot read until it is upgraded, and does not know what that builds on",
        "watch.Watch",
    ),
    "forgotten in time": Excuse(
        "P3",
        "a log was forgotten that some machine lacks",
        "it was kept for `log_away_s`, or the disk was destroyed, or is in no layout",
        "watch.Watch",
        False,
    ),
    "could not be heard": Excuse(
        "failure detector",
        "somebody is given up who lives, or a death goes unnoticed for more than 8 s",
        "the network was bad, or the node itself was paused or away, until 5 to 7.5 s ago",
        "census.Trouble",
        False,
    ),
    "under way": Excuse(
        "bounds",
        "tasks, changes and tables are left over",
        "for 40 s after all else is over: no call takes longer",
        "checker.QUIET_S",
        False,
    ),
}


class Excused(Counter[str]):
    """How often each excuse was made."""

    def note(self, name: str, times: int = 1) -> None:
        assert EXCUSES[name].counted, name
        self[name] += times

    def unseen(self, read: Op, write: Op) -> None:
        """Note why *read* need not have found what *write* had been acknowledged for, if so."""
        if write.outcome != "ok" or write.end > read.start or write.dot is None:
            return
        if read.unconfirmed and write.region == read.region:
            self.note("unconfirmed")
        elif read.reaches(write.dot):
            self.note("another region")
        else:
            self.note("nobody to ask")


def table(made: Mapping[str, int]) -> Iterable[str]:
    """The excuses as a table, with how often each was made."""
    yield "| promise | what is not judged | why that is no fault | where in tests/sim | times |"
    yield "|---|---|---|---|---|"
    for name, excuse in EXCUSES.items():
        times = f"{made.get(name, 0):,}" if excuse.counted else "a bound"
        what = f"**{name}**: {excuse.what}"
        yield f"| {excuse.promise} | {what} | {excuse.why} | `{excuse.where}` | {times} |"
