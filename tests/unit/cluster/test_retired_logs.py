"""What each rule makes of a vector in which logs are retired."""

import pytest

from cluster import vectors
from cluster.freshness.continuity import EarlierRuns, OwnDisk
from cluster.freshness.grants import Grant, Grants
from cluster.freshness.moments import Moments
from cluster.gossip import antientropy
from cluster.gossip.differences import NOTHING, Differences
from cluster.gossip.floor import candidates
from cluster.gossip.progress import Progress
from cluster.gossip.stability import Stability
from cluster.model import Disk, Dot, NodeId, Origin, Run
from cluster.objects import claims, comparison
from tests.builders import a_member

N, M, Q = NodeId("n"), NodeId("m"), NodeId("q")
N1, N2, N3, M1 = Origin(N, 1), Origin(N, 2), Origin(N, 3), Origin(M, 1)
WHOLE = {N1: 4, N2: 6, N3: 1, M1: 9}
MARK = vectors.mark_of(N)
RETIRED = vectors.retired(WHOLE, {N: 2})
SHORT = {**WHOLE, N2: 5}
"""Of a disk that was set back."""


def test_nothing_is_sent_of_a_retired_log_and_nothing_asked():
    assert antientropy.missing(WHOLE, RETIRED) == []
    assert antientropy.missing(RETIRED, WHOLE) == []
    assert antientropy.missing(SHORT, RETIRED) == []
    assert antientropy.behind(WHOLE, RETIRED) == antientropy.behind(RETIRED, WHOLE) == 0


def test_who_is_short_of_it_knows_that_it_is_behind():
    """Broken: a disk from before the retirement never asks for a state."""
    assert antientropy.behind(SHORT, RETIRED) == 1
    assert antientropy.needs_state({}, {MARK: RETIRED[MARK]}, 1)


def test_what_a_member_said_shrinks_with_its_vector():
    """Broken: a node keeps 10,000 entries of each member for as long as that runs."""
    progress, member = Progress(), a_member("m", epoch=1)
    progress.heard(member, WHOLE)
    news = progress.heard(member, {MARK: RETIRED[MARK]})
    assert news == {MARK: (0, RETIRED[MARK])}
    assert progress.of(M) == RETIRED
    assert progress.heard(member, {N2: 6}) == {}, "an earlier word that came late"
    assert progress.of(M) == RETIRED


def test_a_watermark_acknowledges_nothing():
    """Broken: who refuses what this run writes counts as one that has it."""
    progress, member = Progress(), a_member("m", epoch=1)
    progress.heard(member, RETIRED)
    assert progress.reached(M, N2) == 0
    assert progress.reached(M, N3) == 1


def test_whoever_has_heard_less_is_told_of_the_watermark():
    differences = Differences(1)
    differences.note({N1: 4, M1: 9})
    heard = differences.version
    differences.note(WHOLE)
    differences.note(RETIRED)
    assert differences.since(heard) == {MARK: RETIRED[MARK], N3: 1}
    assert differences.since(differences.base(NOTHING)) == RETIRED
    differences.note({**RETIRED, N3: 2})
    assert differences.since(differences.version - 1) == {N3: 2}


def test_nothing_of_a_retired_log_is_trimmed_and_it_counts_as_there():
    kept = {"settled_age_s": 1.0, "away_age_s": 2.0}
    assert candidates(RETIRED, {M1: 9, N3: 1}, {M: WHOLE}, [M], [M], **kept) == []
    found = candidates(WHOLE, {M1: 9, N3: 1}, {M: RETIRED}, [M], [M], **kept)
    assert [(each.origin, each.upto) for each in found] == [(N1, 4), (N2, 6)]


def test_deletions_of_a_retired_log_are_stable():
    """Broken: they are kept for ever, as nobody names their log any more."""
    stability = Stability()
    stability.note(M, RETIRED, RETIRED)
    stable = stability.stable([M], RETIRED)
    assert vectors.reached(stable, N1) == vectors.COMPLETE
    assert stable[M1] == 9


def test_stable_is_what_everybody_has_whoever_has_retired_it():
    stability = Stability()
    stability.note(M, RETIRED, WHOLE)
    assert stability.stable([M], WHOLE) == WHOLE
    stability.note(M, SHORT, WHOLE)
    assert stability.stable([M], WHOLE) == SHORT, "on the disk that it has now"


def test_nothing_is_stable_that_a_member_has_retired_and_this_node_lacks():
    stability = Stability()
    stability.note(M, RETIRED, SHORT)
    assert stability.stable([M], SHORT) == {}


@pytest.mark.parametrize(
    ("began", "stand"),
    [
        ({}, False),
        ({MARK: vectors.retired(WHOLE, {N: 1})[MARK]}, False),
        ({N1: 4, N2: 5}, False),
        ({N1: 4, N2: 6}, True),
        ({MARK: RETIRED[MARK]}, True),
    ],
    ids=["wiped", "an earlier watermark", "set back", "not retired yet", "retired"],
)
def test_a_row_of_a_retired_log_stands_on_the_disk_that_had_it(began, stand):
    """Broken: a wiped disk counts as a copy, or each start writes all rows again."""
    assert claims.stands(Dot(N, 2, 6), 3, began) is stand


def test_nodes_are_compared_whoever_has_retired_more():
    """Broken: for as long as one of them has not, damage goes unnoticed."""
    assert comparison.next_to_ask(WHOLE, {M: RETIRED}, {}) == M
    assert comparison.next_to_ask(WHOLE, {M: vectors.retired(SHORT, {N: 2})}, {}) is None


def reader(have, moments: Moments) -> Grant:
    grants, run = Grants(1.0, 0.2, moments), Run(Disk(M, "disk"), 1)
    grants.greet(run, have, 10.0)
    return grants.greet(run, have, 10.5)


@pytest.mark.parametrize(
    ("have", "grant"),
    [(WHOLE, Grant.GRANTED), (RETIRED, Grant.GRANTED), (SHORT, Grant.LAGS)],
    ids=["not retired", "retired", "set back"],
)
@pytest.mark.parametrize("retired_since", [True, False])
def test_a_reader_needs_what_the_granter_has_retired(have, grant, retired_since: bool):
    """Broken: a reader on a disk that was set back reads without what was acknowledged."""
    moments = Moments(0.2, lambda _: True)
    if retired_since:
        moments.begin(WHOLE, 1.0)
        moments.note({MARK: (0, RETIRED[MARK])}, 2.0)
        assert moments.at(2.0) == RETIRED
    else:
        moments.begin(RETIRED, 1.0)
    assert reader(have, moments) is grant


@pytest.mark.parametrize(
    ("start", "holds"), [(WHOLE, True), (RETIRED, True), (SHORT, False), ({}, False)]
)
def test_a_disk_has_forgotten_what_it_said_was_retired(start, holds: bool):
    """Broken: who was set back to before the retirement confirms what it does not have."""
    disk = OwnDisk(Disk(Q, "disk"), start, trust_at=1.0)
    earlier = EarlierRuns()
    earlier.end(Disk(Q, "disk"), WHOLE, continuous=True)
    earlier.end(Disk(Q, "disk"), RETIRED, continuous=False)
    assert earlier.of(Disk(Q, "disk")) == RETIRED
    disk.hear(Disk(M, "other"), earlier.of(Disk(Q, "disk")))
    assert disk.is_set_back is not holds
