"""The layout as a document: one encoding, clear refusals, nothing of a later version dropped."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import LayoutInvalid, LayoutUnreadable
from cluster.layout.document import (
    Availability,
    Layout,
    LayoutMember,
    RegionRule,
    Role,
    Settings,
    Witness,
    decode,
    encode,
    fingerprint,
    version_of,
)
from cluster.layout.proposal import genesis
from cluster.layout.rules import (
    COPIES_MAX,
    MEMBERS_MAX,
    WEIGHT_MAX,
    check,
    choose_voters,
    crowded,
    unmet,
    witness_candidates,
)
from cluster.model import NodeId, Region
from tests.fakes.layouts import layout, member, with_member

regions = st.sampled_from(["ap", "eu", "us"])


@st.composite
def layouts(draw):
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True))
    members = [
        member(
            name,
            draw(regions),
            zone=draw(st.sampled_from(["", "r1", "r2"])),
            weight=draw(st.integers(1, WEIGHT_MAX)),
            availability=draw(st.sampled_from(Availability)) if number else Availability.ACTIVE,
        )
        for number, name in enumerate(names)
    ]
    return genesis(members, Settings(draw(st.integers(1, 3)), draw(st.integers(1, 2))))


@given(layouts())
def test_a_document_is_read_as_it_was_written(made: Layout):
    data = encode(made)
    assert decode(data) == made
    assert encode(decode(data)) == data
    assert version_of(data) == made.version
    check(made)


@given(layouts(), st.randoms(use_true_random=False))
def test_members_that_are_named_in_another_order_make_the_same_document(made, rng):
    """Broken: two nodes take one layout for two."""
    shuffled = [msgspec.structs.replace(m, roles=(Role.STORE,)) for m in made.members]
    first = genesis(shuffled, made.settings)
    rng.shuffle(shuffled)
    assert fingerprint(genesis(shuffled, made.settings)) == fingerprint(first)


def as_list(made: Layout) -> list:
    return msgspec.msgpack.decode(encode(made))


def test_the_encoding_is_what_it_was():
    """Broken: nodes of two versions of Atoll have different layouts from one slot."""
    made = layout("eu: a b, us: c")
    assert as_list(made) == [
        1,
        1,
        [
            ["a", "a-disk1", "eu", "", 100, ["store", "voter"], "active", 1],
            ["b", "b-disk1", "eu", "", 100, ["store", "voter"], "active", 1],
            ["c", "c-disk1", "us", "", 100, ["store", "voter"], "active", 1],
        ],
        [],
        [["eu", "c"]],
        [2, 1, "allow"],
        [],
    ]
    assert fingerprint(made) == "3027f2000d4ca112d0a41e0d32f3331696d5117a7d7d084b02572a9cd466cb10"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda d: d.append("more"), id="a field of the layout"),
        pytest.param(lambda d: d[2][0].append("more"), id="a field of a member"),
        pytest.param(lambda d: d[5].append("more"), id="a setting"),
        pytest.param(lambda d: d[2][0].__setitem__(5, ["store", "witch"]), id="a role"),
        pytest.param(lambda d: d[2][0].__setitem__(6, "resting"), id="an availability"),
        pytest.param(lambda d: d.__setitem__(0, 2), id="a format"),
        pytest.param(lambda d: d.pop(), id="a field that is missing"),
        pytest.param(lambda d: d[2][0].__setitem__(4, 1.5), id="a weight that is no integer"),
    ],
)
def test_what_cannot_be_read_in_full_is_not_read_at_all(spoil):
    """Broken: an older node drops a field and acts on another layout than the rest."""
    said = as_list(layout("eu: a b c"))
    said[1] = 7
    spoil(said)
    with pytest.raises(LayoutUnreadable) as caught:
        decode(msgspec.msgpack.encode(said))
    assert caught.value.version == 7


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01", b"\x80", b"\xa3abc", b"\x91\x01"])
def test_garbage_is_unreadable(data: bytes):
    with pytest.raises(LayoutUnreadable) as caught:
        decode(data)
    assert caught.value.version is None


def test_another_encoding_of_the_same_is_refused():
    """Broken: one layout has two fingerprints."""
    data = encode(layout("eu: a b c"))
    assert data[:3] == b"\x97\x01\x01"
    with pytest.raises(LayoutUnreadable, match="canonical"):
        decode(b"\x97\x01\xcc\x01" + data[3:])


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes):
    with suppress(LayoutUnreadable):
        decode(data)


BASE = layout("eu: a b c, us: d e f")


def spoiled(**fields) -> Layout:
    return msgspec.structs.replace(BASE, **fields)


A = BASE.members[0]


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (spoiled(version=0), "versions begin at 1"),
        (spoiled(format=9), "format 9 is not 1"),
        (spoiled(members=()), "0 members"),
        (spoiled(members=BASE.members[::-1]), "e comes after f"),
        (spoiled(members=(A, *BASE.members)), "a is there twice"),
        (with_member(BASE, "b", store="a-disk1"), "disk a-disk1 is named 2 times"),
        (spoiled(removed=("a-disk1",)), "a has disk a-disk1, which was removed"),
        (spoiled(removed=("old", "old")), "a disk is remembered twice as removed"),
        (spoiled(removed=tuple(f"d{n}" for n in range(1025))), "1025 disks are remembered"),
        (with_member(BASE, "a", node="A"), "'A' cannot be a name"),
        (with_member(BASE, "a", region=""), "'' cannot be a region"),
        (with_member(BASE, "a", zone="r 1"), "'r 1' cannot be a zone"),
        (with_member(BASE, "a", store="/"), "'/' cannot be a disk"),
        (with_member(BASE, "a", weight=0), "a: weight 0 is not between 1 and 1000000"),
        (with_member(BASE, "a", weight=WEIGHT_MAX + 1), "weight 1000001"),
        (with_member(BASE, "a", roles=()), "a has no role"),
        (with_member(BASE, "b", roles=(Role.VOTER, Role.STORE)), "store comes after voter"),
        (with_member(BASE, "b", roles=(Role.PROXY, Role.STORE)), "b is proxy and store"),
        (with_member(BASE, "a", since=2), "a: availability since version 2 of 1"),
        (with_member(BASE, "f", roles=(Role.STORE, Role.VOTER)), "6 voters; at most 5"),
        (with_member(BASE, "a", roles=(Role.STORE,)), "4 voters: an even number"),
        (spoiled(rules=(RegionRule(Region("ap"), 1),)), "region ap, which has no store"),
        (spoiled(rules=(RegionRule(Region("eu"), COPIES_MAX + 1),)), "17 copies"),
        (spoiled(rules=(RegionRule(Region("eu"), 1, 0),)), "region eu: weight 0"),
        (spoiled(witnesses=(Witness(Region("eu"), NodeId("d")),)), "d cannot be witness of"),
        (spoiled(witnesses=(Witness(Region("ap"), NodeId("d")),)), "region ap, which has no"),
        (with_member(BASE, "a", region="ap"), "region eu has two stores and no witness"),
        (spoiled(settings=Settings(copies=0)), "0 copies"),
        (spoiled(settings=Settings(regions_min=0)), "copies in 0 regions"),
    ],
)
def test_a_document_that_contradicts_itself_says_where(made: Layout, problem: str):
    check(BASE)
    with pytest.raises(LayoutInvalid) as caught:
        check(made)
    assert any(problem in each for each in caught.value.problems), caught.value.problems


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(LayoutInvalid) as caught:
        check(with_member(with_member(BASE, "a", weight=0), "b", zone="?"))
    assert len(caught.value.problems) == 2


def test_as_many_members_as_a_member_table_has():
    many = [member(f"n{n:03}", f"r{n % 5}") for n in range(MEMBERS_MAX)]
    assert len(genesis(many, Settings()).members) == MEMBERS_MAX
    with pytest.raises(LayoutInvalid, match="257 members"):
        genesis([*many, member("one-more")], Settings())


def test_the_quorum_of_a_region_is_its_stores():
    made = genesis(
        [
            member("a"),
            member("b", availability=Availability.DRAINING),
            member("c", availability=Availability.PAUSED),
            member("p", roles=(Role.PROXY,)),
            member("v", roles=(Role.VOTER,)),
            member("x", "us"),
        ],
        Settings(),
    )
    assert {d.node for d in made.quorum_set(Region("eu"))} == {"a", "b", "c"}
    assert {d.node for d in made.quorum_set(Region("us"))} == {"x"}
    assert made.quorum_set(Region("ap")) == frozenset()


def test_two_stores_have_the_witness_that_is_named():
    made = layout("eu: a b, us: c d e")
    assert {d.node for d in made.quorum_set(Region("eu"))} == {"a", "b", "c"}
    assert {d.node for d in made.quorum_set(Region("us"))} == {"c", "d", "e"}


def test_two_members_that_are_alone_have_no_witness():
    made = layout("eu: a b")
    assert {d.node for d in made.quorum_set(Region("eu"))} == {"a", "b"}
    assert len(made.voters) == 2


def test_who_votes_only_is_a_witness_in_its_own_region_and_a_proxy_is_none():
    alone = [member("a"), member("b"), member("p", roles=(Role.PROXY,))]
    made = genesis(alone, Settings())
    assert witness_candidates(made, Region("eu")) == ()
    made = genesis([*alone, member("v", roles=(Role.VOTER,))], Settings())
    assert made.witness(Region("eu")) == "v"


@pytest.mark.parametrize(
    ("text", "voters"),
    [
        ("eu: a", "a"),
        ("eu: a b", "a b"),
        ("eu: a b c", "a b c"),
        ("eu: a b c d", "a b c"),
        ("eu: a b c d e f", "a b c d e"),
        ("eu: a b, us: x y", "a b x"),
        ("eu: a b c d, us: x, ap: p", "a b c p x"),
        ("eu: a b c, us: x y z, ap: p q r", "a b p q x"),
        ("ap: p, eu: a, us: x", "a p x"),
    ],
)
def test_voters_are_an_odd_number_from_all_regions(text: str, voters: str):
    made = layout(text)
    chosen = [v.node for v in made.voters]
    assert chosen == voters.split()
    assert crowded(made.members, set(chosen)) is None


@given(layouts())
def test_chosen_voters_are_never_crowded(made: Layout):
    chosen = choose_voters(made.members)
    able = [m for m in made.members if m.availability is Availability.ACTIVE]
    assert len(chosen) % 2 == 1 or len(chosen) == 2 == len(made.members)
    assert crowded(able, set(chosen)) is None


def test_one_region_with_all_voters_is_crowded():
    members = layout("eu: a b c, us: x y z").members
    assert crowded(members, {NodeId(n) for n in "abc"}) == "eu"
    assert crowded(members, {NodeId(n) for n in "abx"}) is None


@pytest.mark.parametrize(
    ("text", "settings", "reasons"),
    [
        ("eu: a b", {}, []),
        ("eu: a", {}, ["copies: 2 wanted, 1 possible"]),
        ("eu: a, us: b", {"regions_min": 2}, []),
        ("eu: a b c", {"regions_min": 2}, ["regions with copies: 2 wanted, 1 possible"]),
    ],
)
def test_what_cannot_be_met_is_told(text, settings, reasons):
    found = [str(each) for each in unmet(layout(text, **settings))]
    assert all(reason in found for reason in reasons)
    assert bool(found) == bool(reasons)


def test_the_rule_of_a_region_is_held_against_its_stores():
    made = spoiled(rules=(RegionRule(Region("eu"), 4), RegionRule(Region("us"), 0)))
    assert [str(each) for each in unmet(made)] == ["copies in region eu: 4 wanted, 3 possible"]
    made = spoiled(rules=(RegionRule(Region("eu"), 0), RegionRule(Region("us"), 1)))
    told = [str(each) for each in unmet(made)]
    assert told == ["copies by the rules of the regions: 2 wanted, 1 possible"]


def test_a_region_without_a_rule_keeps_as_many_as_it_can_up_to_copies():
    made = layout("ap: p, eu: a b c", copies=2)
    assert made.rule(Region("ap")).copies == 1
    assert made.rule(Region("eu")).copies == 2


def test_a_member_is_a_plain_store_by_default():
    made = LayoutMember(NodeId("a"), "d", Region("eu"))
    assert made.takes_copies
    assert made.keeps_copies
    assert not made.is_voter
