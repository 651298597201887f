"""What a version must not do to the one before: voters, quorums that answer, who is lost."""

import pytest

from cluster.errors import (
    CopiesUnmet,
    MemberSilent,
    NotDrained,
    QuorumSilent,
    VotersUnfit,
)
from cluster.layout.changes import (
    Add,
    Remove,
    Replace,
    SetRoles,
    SetSettings,
    SetVoters,
    SetWeight,
)
from cluster.layout.document import (
    Layout,
    Role,
    Settings,
)
from cluster.layout.proposal import changed
from cluster.layout.rules import unmet
from cluster.model import NodeId, Region
from tests.fakes.layouts import changed_by, layout, member, safe

EU, US = Region("eu"), Region("us")
BASE = layout("eu: a b c d, us: x y z")


def N(*names: str) -> frozenset[NodeId]:
    return frozenset(NodeId(name) for name in names)


def voters(of: Layout) -> str:
    return " ".join(voter.node for voter in of.voters)


def test_voters_stay_odd_and_come_in_pairs():
    three = layout("eu: a b c, us: x, ap: p")
    three = changed(three, SetVoters(N("a", "x", "p")))
    with pytest.raises(VotersUnfit, match="4 voters: an even number") as caught:
        changed(three, SetRoles(NodeId("b"), frozenset({Role.STORE, Role.VOTER})))
    assert caught.value.voters == ("a", "b", "p", "x")
    five = changed(three, SetVoters(N("a", "b", "c", "x", "p")))
    assert voters(five) == "a b c p x"


def test_a_voter_goes_when_another_one_comes():
    assert voters(BASE) == "a b c x y"
    with pytest.raises(VotersUnfit, match="4 voters"):
        changed(BASE, Remove(NodeId("c"), safe(BASE, "c")))
    made = changed(
        BASE, Remove(NodeId("c"), safe(BASE, "c")), SetVoters(N("a", "b", "x", "y", "z"))
    )
    assert voters(made) == "a b x y z"


def test_voters_are_not_all_in_one_region():
    with pytest.raises(VotersUnfit, match="more of them are in region eu than have to be"):
        changed(BASE, SetVoters(N("a", "b", "c")))
    assert voters(changed(BASE, SetVoters(N("a", "b", "x")))) == "a b x"


def test_a_region_that_comes_does_not_ask_for_other_voters():
    one = layout("eu: a b c")
    assert voters(changed(one, Add(member("x", "us")))) == "a b c"


def test_voters_that_do_not_answer_are_no_majority():
    with pytest.raises(VotersUnfit, match="a, b, c do not answer, and no majority") as caught:
        changed_by(BASE, SetWeight(NodeId("d"), 5), answering=N("d", "x", "y", "z"))
    assert "a" in caught.value.why
    assert changed_by(BASE, SetWeight(NodeId("d"), 5), answering=N("d", "a", "x", "y"))


def test_a_change_that_could_not_end_does_not_begin():
    """Broken: the region takes no pushes until its dead members are back."""
    made = layout("eu: a b c, us: x y z")
    some = N("a", "x", "y", "z", "e")
    with pytest.raises(QuorumSilent, match=r"region eu: .* version 1 answer; silent: b, c"):
        changed_by(made, Add(member("e")), SetVoters(N("a", "x", "y")), answering=some)
    with pytest.raises(QuorumSilent) as caught:
        changed_by(
            layout("eu: a, us: x y z"),
            Add(member("b")),
            answering=N("x", "y", "z"),
        )
    assert (caught.value.region, caught.value.version) == (EU, 1)
    # Other regions are not asked.
    added = changed_by(
        made, Add(member("e", "ap")), SetVoters(N("a", "x", "e")), answering=N("x", "y", "e")
    )
    assert added.version == 2


def test_who_goes_is_asked_for_what_it_has():
    """Broken: the change begins, and never ends."""
    made = layout("eu: a b c, us: x y z")
    gone = [Remove(NodeId("c"), safe(made, "c")), SetVoters(N("a", "b", "x", "y", "z"))]
    assert changed_by(made, *gone, answering=N("a", "b", "c", "x", "y", "z"))
    with pytest.raises(MemberSilent, match="c does not answer, and has to be asked") as caught:
        changed_by(made, *gone, answering=N("a", "b", "x", "y", "z"))
    assert caught.value.node == "c"
    assert changed_by(made, *gone, answering=N("a", "b", "x", "y", "z"), lost=N("c"))
    spread = changed(made, SetVoters(N("a", "b", "x", "y", "z")))
    voting = SetVoters(N("b", "x", "y"))
    lone = [Remove(NodeId(n), safe(spread, n)) for n in "ac"]
    with pytest.raises(QuorumSilent):
        changed_by(spread, *lone, voting, answering=N("a", "c", "x", "y"))


def test_too_few_would_take_over_the_events_of_who_goes():
    made = changed(layout("eu: a b c, ap: p"), SetSettings(Settings(copies=3)))
    gone = [Remove(NodeId("p"), safe(made, "p")), SetVoters(N("a", "b", "c"))]
    with pytest.raises(CopiesUnmet, match="c do not answer, and cannot take over its events"):
        changed_by(made, *gone, answering=N("a", "b", "p"))


def test_an_old_disk_under_a_name_that_goes_on_cannot_be_asked():
    made = layout("eu: a b c")
    everybody = N("a", "b", "c")
    again = Replace(NodeId("c"), member("c", disk=2), safe(made, "c"))
    with pytest.raises(MemberSilent):
        changed_by(made, again, SetVoters(everybody), answering=everybody)
    assert changed_by(made, again, SetVoters(everybody), answering=everybody, lost=N("c"))


def test_the_dead_go_by_an_operators_word():
    made = layout("eu: a b c, us: x y z")
    answering = N("a", "x", "y", "z")
    gone = changed_by(
        made,
        Remove(NodeId("b")),
        Remove(NodeId("c")),
        SetVoters(N("a", "x", "y")),
        lost=N("b", "c"),
        answering=answering,
    )
    assert [m.node for m in gone.members] == ["a", "x", "y", "z"]


def test_who_is_lost_excuses_nobody_else():
    made = layout("eu: a b c")
    with pytest.raises(CopiesUnmet):
        changed_by(
            made,
            Remove(NodeId("c")),
            Remove(NodeId("b"), safe(made, "b")),
            SetVoters(N("a")),
            lost=N("c"),
        )
    with pytest.raises(CopiesUnmet):
        changed_by(made, SetSettings(Settings(copies=4)), lost=N("a", "b", "c"))
    with pytest.raises(CopiesUnmet):
        changed_by(made, SetSettings(Settings(regions_min=2)), lost=N("a", "b", "c"))
    with pytest.raises(NotDrained):
        changed_by(made, Remove(NodeId("c")), lost=N("b"))
    left = changed_by(
        made, Remove(NodeId("b")), Remove(NodeId("c")), SetVoters(N("a")), lost=N("b", "c")
    )
    assert next(str(each) for each in unmet(left)) == "copies: 2 wanted, 1 possible"
