"""
Seeded bugs of the control log, each in one place of the rules: is the simulation able to find them?
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from cluster.control import attempt, continuity, participant, state
from cluster.control.acceptor import Acceptor
from cluster.control.attempt import Attempt
from cluster.control.context import Context
from cluster.control.continuity import Continuity
from cluster.control.effects import Outbox
from cluster.control.force import Forcing
from cluster.control.genesis import Founder
from cluster.control.local_voter import LocalVoter
from cluster.control.log import ControlLog
from cluster.control.messages import Accepted, Letter, Promise, Welcome
from cluster.control.participant import Participant
from cluster.control.proposer import Proposer
from cluster.control.state import ControlState
from cluster.control.values import Seat
from tests.control import bugs

Replacement = tuple[object, str, Any]


class Mutant(NamedTuple):
    name: str
    says: str
    replacements: list[Replacement]


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, replacement in mutant.replacements:
            assert hasattr(owner, name), f"{mutant.name}: {owner} has no {name}"
            stack.enter_context(patch.object(owner, name, replacement))
        yield


MUTANTS: Final = [
    Mutant(
        "promise-before-sync",
        "an acceptor promises before that is synced",
        [(LocalVoter, "_answer", bugs.unless(Promise))],
    ),
    Mutant(
        "accepted-before-sync",
        "an acceptor says that it accepted before that is synced",
        [(LocalVoter, "_answer", bugs.unless(Accepted))],
    ),
    Mutant(
        "welcome-before-sync",
        "a voter welcomes a new run before it has noted it",
        [(LocalVoter, "_answer", bugs.unless(Welcome))],
    ),
    Mutant(
        "report-before-sync",
        "whatever a participant says leaves before what it writes",
        [(Outbox, "take", bugs.learn_first)],
    ),
    Mutant(
        "found-is-ignored",
        "a proposer proposes its own value although one was accepted",
        [(Attempt, "promised", bugs.found_nothing)],
    ),
    Mutant(
        "last-found",
        "of several accepted values a proposer takes the last it hears of",
        [(Attempt, "promised", bugs.last_found)],
    ),
    Mutant(
        "voter-counts-twice", "two answers of one voter count", [(Attempt, "_answered", bugs.twice)]
    ),
    Mutant(
        "strangers-count",
        "answers of nodes that are no voters count",
        [(Attempt, "_answered", bugs.strangers), (Continuity, "may_vote", lambda *_: True)],
    ),
    Mutant(
        "other-slot-counts",
        "answers for another slot count",
        [(Proposer, "_attempt_at", bugs.any_slot)],
    ),
    Mutant(
        "other-ballot-counts",
        "answers to an earlier ballot count",
        [(Proposer, "_attempt_at", bugs.any_phase)],
    ),
    Mutant(
        "less-than-majority",
        "half of the voters decide",
        [(attempt, "majority", bugs.less_than_majority)],
    ),
    Mutant(
        "accept-lower", "an acceptor accepts below its promise", [(Acceptor, "accept", bugs.lower)]
    ),
    Mutant(
        "promise-lower",
        "an acceptor promises below its promise",
        [(Acceptor, "prepare", bugs.promise_lower)],
    ),
    Mutant(
        "accept-is-no-promise",
        "an acceptor that accepts does not raise its promise",
        [(Acceptor, "accept", bugs.accept_without_promise)],
    ),
    Mutant(
        "promise-forgets",
        "an acceptor that promises forgets what it accepted",
        [(Acceptor, "prepare", bugs.prepare_forgets)],
    ),
    Mutant(
        "promise-for-one-slot",
        "an acceptor forgets its promise with each slot",
        [(Acceptor, "advance", bugs.forget_promise)],
    ),
    Mutant(
        "phase-1-kept",
        "phase 1 is kept over a change of voters",
        [(Proposer, "_has_promises", bugs.kept_phase_1)],
    ),
    Mutant(
        "two-values-a-ballot",
        "a proposer proposes another value at the same ballot",
        [
            (Proposer, "_end", bugs.kept_value),
            (Proposer, "_has_promises", bugs.promises_whatever_was_sent),
        ],
    ),
    Mutant(
        "run-by-disk",
        "a run is numbered by the disk alone: one set back makes a ballot twice",
        [(LocalVoter, "__init__", bugs.init_by_disk)],
    ),
    Mutant(
        "votes-unasked",
        "a voter whose disk was set back votes at once",
        [(Continuity, "may_vote", bugs.votes_unasked)],
    ),
    Mutant(
        "counter-left-out",
        "a voter trusts its disk although somebody heard more of it",
        [(Continuity, "hear", bugs.nothing)],
    ),
    Mutant(
        "welcome-adopts-nothing",
        "a welcomed voter does not take over what others are bound by",
        [(Acceptor, "adopt", bugs.nothing)],
    ),
    Mutant(
        "welcome-unnoted",
        "who welcomes a run does not name it later",
        [(Acceptor, "note_run", bugs.note_nothing)],
    ),
    Mutant(
        "old-runs-count",
        "a proposer counts answers of runs that have ended",
        [(Attempt, "counted", lambda self, answers: list(answers))],
    ),
    Mutant(
        "mute-voters-welcome",
        "a voter that may have forgotten something welcomes another one",
        [(LocalVoter, "on_hello", bugs.welcomed_by_all)],
    ),
    Mutant(
        "one-welcome-less",
        "one voter less welcomes than is needed to meet every majority",
        [(continuity, "others_needed", bugs.welcome_by_one_less)],
    ),
    Mutant(
        "welcome-for-ever",
        "a voter that was welcome among some voters is so among later ones",
        [(Continuity, "may_vote", bugs.welcome_once)],
    ),
    Mutant(
        "voters-are-nodes",
        "a voter with a wiped disk is the voter that it was",
        [
            (ControlState, "seat_of", bugs.seat_of_node),
            (Seat, "voter", property(bugs.voter_of_node)),
            (Letter, "voter", property(bugs.voter_of_node)),
            (Context, "me", property(bugs.voter_of_node)),
        ],
    ),
    Mutant(
        "no-voter-votes",
        "a node that is no voter of the slot votes",
        [(Continuity, "may_vote", lambda *_: True)],
    ),
    Mutant(
        "done-too-early",
        "a change of voters is reported before the new ones have it",
        [(Proposer, "_settle", bugs.said_at_once)],
    ),
    Mutant(
        "unready-voters",
        "a voter is named that has not said that it has all slots",
        [(Participant, "_unready", lambda *_: [])],
    ),
    Mutant(
        "expected-is-ignored",
        "a proposal for a slot that another one took is reported as decided",
        [(Proposer, "_settle", bugs.said_anyway)],
    ),
    Mutant(
        "sent-is-nothing",
        "a proposal that was sent is reported as one that changed nothing",
        [(Proposer, "_give_up", bugs.nothing_changed)],
    ),
    Mutant("read-here", "a read asks nobody", [(Proposer, "propose", bugs.read_here)]),
    Mutant(
        "read-by-old-promises",
        "a read rests on promises of before",
        [(Proposer, "propose", bugs.read_by_old_promises)],
    ),
    Mutant(
        "never-finished",
        "nobody finishes an open slot",
        [(LocalVoter, "has_to_finish", lambda *_: False)],
    ),
    Mutant(
        "over-gaps", "a learner takes slots behind a gap", [(ControlLog, "extend", bugs.over_gaps)]
    ),
    Mutant(
        "same-generation",
        "a forced generation keeps the name of the one before",
        [(state, "_apply", bugs.same_generation)],
    ),
    Mutant(
        "salvage-left-out",
        "a forced generation takes no accepted values along",
        [(Forcing, "_write", bugs.without_salvage)],
    ),
    Mutant(
        "unsealed",
        "a survivor votes on after it said what it has",
        [(Acceptor, "_why_not", bugs.votes_though_sealed)],
    ),
    Mutant(
        "own-log",
        "who forces takes its own log for the longest",
        [(Forcing, "go_on", bugs.own_log)],
    ),
    Mutant(
        "old-generation-stays",
        "nodes of a generation that ended go on",
        [(participant, "meet", bugs.stay)],
    ),
    Mutant(
        "genesis-at-once",
        "an empty node founds a cluster without waiting for others to be heard",
        [(Founder, "_is_empty", bugs.empty_at_once)],
    ),
    Mutant(
        "genesis-hears-nothing",
        "a node founds a cluster although it has heard of one",
        [(Founder, "hear", bugs.hear_nothing), (Founder, "_is_empty", bugs.empty_at_once)],
    ),
    Mutant(
        "genesis-by-some",
        "a majority of those named found the cluster",
        [(Founder, "on_empty", bugs.some_of_them)],
    ),
    Mutant(
        "genesis-by-anybody",
        "not the smallest name alone founds the cluster",
        [(Founder, "on_empty", bugs.everybody_founds)],
    ),
]


def by_name(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)
