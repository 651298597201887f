"""How far each member has each log, by the word of its present run."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.gossip.progress import Progress
from cluster.model import Member, NodeId, Origin
from tests.builders import a_member

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
LOG, OTHER = Origin(A, 1), Origin(C, 1)


def run(epoch: int, node: NodeId = B) -> Member:
    return a_member(node, epoch=epoch)


def test_who_was_never_heard_has_nothing():
    progress = Progress()
    assert progress.of(B) == {}
    assert progress.reached(B, LOG) == 0
    assert not progress.has_spoken(run(1))


def test_greetings_and_answers_say_the_same_thing():
    """Broken: an acknowledgement waits for a greeting, though the answer has come."""
    progress = Progress()
    assert progress.heard(run(1), {LOG: 3})
    assert progress.pushed(run(1), {LOG: 5, OTHER: 1})
    assert progress.of(B) == {LOG: 5, OTHER: 1}
    assert not progress.heard(run(1), {LOG: 5}), "no news"
    assert progress.of(B) == {LOG: 5, OTHER: 1}


def test_members_that_name_the_same_log_share_its_name():
    """Broken: a node of a cluster of 100 keeps 200 MB of names of logs."""
    progress = Progress()
    for node in (B, C):
        progress.heard(run(1, node), {Origin(A, 1): 3})
    (one,), (other,) = progress.of(B), progress.of(C)
    assert one is other


def test_an_older_word_of_the_same_run_takes_nothing_back():
    """Broken: what an acknowledged write counted on is counted no more, and is sent again."""
    progress = Progress()
    progress.heard(run(1), {LOG: 5})
    assert not progress.heard(run(1), {LOG: 3})
    assert progress.reached(B, LOG) == 5


def test_a_new_run_has_what_it_says_itself():
    """Broken: a disk set back to an earlier day counts as a copy, and logs are trimmed for it."""
    progress = Progress()
    progress.heard(run(1), {LOG: 9, OTHER: 4})
    assert not progress.has_spoken(run(2))
    assert progress.heard(run(2), {LOG: 3})
    assert progress.of(B) == {LOG: 3}


def test_a_run_counts_by_its_name_and_not_by_its_number():
    """A new disk with a slow clock begins an epoch below the last one."""
    progress = Progress()
    progress.heard(run(9), {LOG: 9})
    progress.heard(run(2), {LOG: 1})
    assert progress.of(B) == {LOG: 1}


def test_a_run_that_others_say_is_over_has_nothing():
    """Its next run is known by hearsay, and has not spoken yet."""
    progress = Progress()
    progress.heard(run(1), {LOG: 9})
    progress.end_run(B)
    assert progress.of(B) == {}
    assert not progress.has_spoken(run(1))


def test_an_answer_of_an_earlier_run_is_none_of_this_one():
    """Broken: an answer that was under way when B was killed counts for B's new disk."""
    progress = Progress()
    progress.heard(run(1), {LOG: 3})
    progress.end_run(B)
    assert not progress.pushed(run(1), {LOG: 9})
    progress.heard(run(2), {LOG: 2})
    assert not progress.pushed(run(1), {LOG: 9})
    assert progress.of(B) == {LOG: 2}


words = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.integers(1, 3),
        st.dictionaries(st.sampled_from([LOG, OTHER]), st.integers(1, 9)),
    )
)


@given(words)
def test_each_run_is_known_by_its_best_words(said):
    """Whatever is said in whatever order: the most that the last run has said in a row counts."""
    progress = Progress()
    expected: dict[NodeId, tuple[int, dict[Origin, int]]] = {}
    for node, epoch, have in said:
        progress.heard(run(epoch, node), have)
        before = expected.get(node, (epoch, {}))
        known = before[1] if before[0] == epoch else {}
        expected[node] = epoch, {o: max(known.get(o, 0), have.get(o, 0)) for o in {*known, *have}}
    assert {node: progress.of(node) for node in expected} == {
        n: h for n, (_, h) in expected.items()
    }
