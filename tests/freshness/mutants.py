"""
Seeded bugs of who may read, each in one place of the rules or of the driver: are the worlds able to
find them?
"""

from typing import Final

from cluster.driver.freshness import FreshnessDriver
from cluster.driver.roll import Roll
from cluster.freshness import grants
from cluster.freshness.confirmations import Confirmations
from cluster.freshness.continuity import EarlierRuns
from cluster.freshness.grants import Grants
from cluster.freshness.machine import Freshness
from cluster.layout.handover import Handover
from cluster.layout.transition import Live
from tests.control.mutants import Mutant, mutated
from tests.freshness import bugs
from tests.freshness.process import Process

EARLIER_RUNS_GREET: Final = (
    Process,
    "_insist_on_another_disk",
    bugs.earlier_while_not_connected,
)

MUTANTS: Final = [
    # What is confirmed.
    Mutant(
        "readers-not-named",
        "a member confirms without saying who may read by its word",
        [(FreshnessDriver, "confirmation", bugs.without_readers)],
    ),
    Mutant(
        "copies-confirm",
        "who says that it has an event has confirmed it",
        [(FreshnessDriver, "backing", bugs.copies_confirm)],
    ),
    Mutant(
        "readers-before-sync",
        "a member says who reads by its word before it has noted what it confirms",
        [(FreshnessDriver, "confirmation", bugs.confirmation_unnoted)],
    ),
    Mutant(
        "own-readers-before-sync",
        "the same of what the writer confirms to itself",
        [(FreshnessDriver, "backing", bugs.backing_unnoted)],
    ),
    Mutant(
        "own-readers-ignored",
        "a writer counts itself whoever reads by its word",
        [(Freshness, "_lacking_here", lambda *_: {})],
    ),
    Mutant(
        "word-of-another-log",
        "what was said of the log of an earlier run counts for this one's",
        [(FreshnessDriver, "hear", bugs.of_whatever_log)],
    ),
    Mutant(
        "word-of-another-moment",
        "an old word says who reads as of what the member has by now",
        [(FreshnessDriver, "note", bugs.upto_what_it_has)],
    ),
    Mutant(
        "readers-without-runs",
        "a reader has an event once some run of it said so",
        [
            (FreshnessDriver, "_has", bugs.of_whatever_run),
            (Confirmations, "has", bugs.reached_by_whatever_run),
            (Confirmations, "forget_runs", lambda *_: None),
        ],
    ),
    Mutant(
        "old-runs-confirm",
        "what a run confirmed counts after it is over",
        [(Confirmations, "confirmed", bugs.runs_not_compared)],
    ),
    Mutant(
        "known-runs-ignored",
        "it counts unless the writer itself knows of a later run",
        [(Confirmations, "confirmed", bugs.runs_of_others_not_compared)],
    ),
    Mutant(
        "later-runs-confirm",
        "what a run confirms counts beside a word that knows of an earlier run of it",
        [(Confirmations, "confirmed", bugs.later_runs_count)],
    ),
    Mutant(
        "confirmed-by-the-connected",
        "a majority of those is enough whom the writer is connected to",
        [
            (Roll, "is_majority", bugs.majority_of_the_connected),
            (Roll, "suffice", bugs.suffice_of_the_connected),
        ],
    ),
    # Who reads.
    Mutant(
        "granted-unlisted",
        "a reader gets a lease by the greeting that lists it",
        [(Grants, "greet", bugs.granted_when_listed)],
    ),
    Mutant(
        "granted-as-of-before",
        "a reader that was just listed needs what there was a while ago, not when it was listed",
        [(Grants, "_wanted", bugs.wants_what_was)],
    ),
    Mutant(
        "granted-for-ever",
        "a reader that lags gets further leases",
        [(Grants, "greet", bugs.granted_for_ever)],
    ),
    Mutant(
        "struck-off-early",
        "a reader that lags is not named any more while its lease is running",
        [(Grants, "holders", bugs.struck_off_early)],
    ),
    Mutant(
        "struck-off-by-an-old-run",
        "a greeting of a run that is over strikes off the next one",
        [(Grants, "greet", bugs.any_run_strikes_off), EARLIER_RUNS_GREET],
    ),
    Mutant(
        "lease-from-the-answer",
        "a lease is counted from its answer",
        [(FreshnessDriver, "take", bugs.taken_with_the_answer)],
    ),
    Mutant(
        "lease-of-the-run-before",
        "a reader goes on by the leases that it had before it was restarted",
        [(Freshness, "__init__", bugs.with_leases_of_before)],
    ),
    Mutant(
        "clocks-run-alike",
        "a granter does not allow for clocks of other rates",
        [(grants, "DRIFT", 1.0), (Grants, "_over_at", bugs.over_as_its_clock_says)],
    ),
    Mutant(
        "lease-with-one-less",
        "a lease more than there is would be needed for a majority",
        [(Freshness, "_look_at_leases", bugs.leases_with_one_less)],
    ),
    Mutant(
        "round-with-one-less",
        "a round of the region is enough with one less than a majority",
        [(Freshness, "suffice", bugs.round_with_one_less)],
    ),
    # Runs and disks.
    Mutant(
        "new-run-speaks",
        "a new run confirms and grants while leases of the run before are running",
        [(Freshness, "__init__", bugs.not_mute)],
    ),
    Mutant(
        "set-back-speaks",
        "a disk that was set back confirms and grants",
        [(Freshness, "may_speak", bugs.speaks_set_back)],
    ),
    Mutant(
        "set-back-reads-by-leases",
        "a reader whose disk was set back counts itself beside its leases",
        [(Freshness, "_look_at_leases", bugs.leases_count_itself)],
    ),
    Mutant(
        "set-back-reads-by-rounds",
        "a reader whose disk was set back counts itself in a round of the region",
        [(Freshness, "suffice", bugs.round_counts_itself)],
    ),
    Mutant(
        "set-back-gives",
        "a pull counts whatever the giver's disk lost",
        [(FreshnessDriver, "is_whole", lambda *_: True)],
    ),
    Mutant(
        "set-back-hands-over",
        "what a disk gives that was set back counts for the end of a version",
        [(Process, "_note_pulled", bugs.handed_over_by_any_disk)],
    ),
    Mutant(
        "kept-of-its-region",
        "of an earlier run nobody keeps what it said of logs of another region",
        [(FreshnessDriver, "end_run", bugs.kept_of_the_own_region)],
    ),
    Mutant(
        "kept-of-one-run",
        "of earlier runs nobody keeps what those before the last one said",
        [(EarlierRuns, "end", bugs.of_the_last_run)],
    ),
    Mutant(
        "earlier-runs-greet",
        "a greeting of a run that is over seems to end the present one",
        [EARLIER_RUNS_GREET],
    ),
    Mutant(
        "any-run-answers",
        "a run answers what an earlier one was asked",
        [(Process, "_insist_on_run", lambda *_: None)],
    ),
    # Layouts.
    Mutant(
        "other-stages-count",
        "what who is at another stage of the layout has, and confirms, counts",
        [
            (Process, "_counted", lambda _, greeting: greeting.have),
            (Confirmations, "note", bugs.at_any_stage),
        ],
    ),
    Mutant(
        "newest-majority",
        "while the layout changes a majority of the new version is enough",
        [(Live, "majority", bugs.newest_majority)],
    ),
    Mutant(
        "ends-without-wait",
        "a version ends while its leases are running",
        [(Handover, "__init__", bugs.without_wait)],
    ),
    Mutant(
        "ends-as-if-near",
        "the end of a version does not wait for as long as a far reader may lag",
        [(Handover, "__init__", bugs.nobody_lags)],
    ),
    Mutant(
        "no-witness",
        "a node of a region of two does not know the witness",
        [(Roll, "live", bugs.no_witness)],
    ),
    Mutant(
        "another-witness",
        "a node finds by itself who is the witness",
        [(Roll, "live", bugs.another_witness)],
    ),
]

__all__ = ["MUTANTS", "Mutant", "mutated"]
