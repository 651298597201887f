"""Nodes and regions, as one look shows them."""

from dataclasses import replace

from cluster.layout import Live
from node.attention.facts import BlobSum, CopyFacts, CopyPlaces, MemberFacts
from node.desk.looks import ClusterLook, nodes_of, regions_of
from tests.fakes.layouts import layout
from tests.unit.desk.pictures import DEAD, NOW, facts_of

SIX = layout("eu: a b c, us: d e f")


def a_look(**members) -> ClusterLook:
    lag = {"d": {"lag_events": 3}, "e": {"lag_events": 7}, "b": {"lag_events": 1}}
    for node, told in lag.items():
        members[node] = {**told, **members.get(node, {})}
    facts = facts_of(SIX, **members)
    copies = CopyFacts(9, 90, 2, 20, places=CopyPlaces({}, {"us": BlobSum(2, 20)}, walk=1))
    return ClusterLook(
        facts=replace(facts, copies=copies),
        live=Live(SIX),
        round_trips_s={"b": 0.0004, "d": 0.084, "e": 0.09},
        behind_s={"a": 0.0, "b": 0.3, "c": 0.0, "d": 2.0, "e": 41.25, "f": 0.0},
    )


def test_a_region_is_the_sum_of_its_nodes():
    disk = {"disk_bytes": 1000, "blobs": 3, "blob_bytes": 30}
    look = a_look(d={**disk, "disk_free_bytes": 400}, e={**disk, "disk_free_bytes": 150}, f=DEAD)
    eu, us = regions_of(look).regions
    assert (us.region, us.nodes, us.serving, us.missing) == ("us", 3, 2, ["f"])
    assert us.conditions == {"serving": 2, "dead": 1}
    assert (us.blobs, us.blob_bytes) == (6, 60)
    assert us.fullest is not None
    assert (us.fullest.node, us.fullest.used_share) == ("e", 0.85)
    assert (us.behind_node, us.behind_events, us.behind_s) == ("e", 7, 41.25)
    assert (us.short, us.short_bytes, us.round_trip_ms) == (2, 20, 84.0)
    assert us.may_stop == []
    assert (eu.short, eu.fullest, eu.round_trip_ms) == (0, None, None)
    assert eu.may_stop == ["a", "b", "c"]
    assert (eu.behind_node, eu.behind_s) == ("b", 0.3)


def test_links_are_those_of_the_region_that_looks():
    """Broken: a node tells of links that it cannot know."""
    [link] = regions_of(a_look()).links
    assert (link.origin, link.to, link.round_trip_ms) == ("eu", "us", 84.0)
    assert (link.behind_events, link.behind_s) == (7, 41.25)


def test_who_is_not_heard_is_named():
    look = a_look(f=DEAD)
    assert regions_of(look).missing == nodes_of(look).missing == ("f",)


def test_nodes_in_trouble_come_first():
    look = a_look(b={"trouble": "disk: no room"}, f=DEAD)
    assert [node.node for node in nodes_of(look).nodes] == ["b", "f", "a", "c", "d", "e"]
    assert nodes_of(look).may_stop == ["a", "b", "c"]


def test_a_node_has_all_that_is_known_of_it():
    look = a_look(d={"version": "1.2.3", "settings_differing": {"joining": "open"}})
    nodes = {node.node: node for node in nodes_of(look).nodes}
    me, d = nodes["a"], nodes["d"]
    assert (me.behind_events, me.behind_s, me.round_trip_ms) == (0, 0.0, None)
    assert (d.region, d.condition, d.version) == ("us", "serving", "1.2.3")
    assert (d.behind_events, d.behind_s, d.round_trip_ms) == (3, 2.0, 84.0)
    assert d.settings_differing == {"joining": "open"}
    assert d.stop is not None
    assert (d.stop.safe, d.stop.counted) == (True, NOW - 5)


def test_what_a_node_that_is_away_took_before_is_not_told():
    nodes = {node.node: node for node in nodes_of(a_look(d=DEAD)).nodes}
    assert nodes["d"].round_trip_ms is None


def test_who_waits_outside_is_no_question_of_stopping():
    look = a_look()
    outside = MemberFacts(node="z", region="eu", state="outside", connected=True)
    facts = replace(look.facts, members=(*look.facts.members, outside))
    found = nodes_of(replace(look, facts=facts))
    assert found.nodes[0].node == "z"
    assert (found.nodes[0].condition, found.nodes[0].stop) == ("outside", None)
    assert sum(region.nodes for region in regions_of(replace(look, facts=facts)).regions) == 6


def test_copies_that_were_not_counted_are_no_0():
    look = a_look()
    uncounted = replace(look, facts=replace(look.facts, copies=None))
    assert [region.short for region in regions_of(uncounted).regions] == [None, None]


def test_without_a_layout_there_is_the_region_of_who_looks():
    look = a_look()
    alone = replace(look, live=None, facts=replace(look.facts, members=(), layout=None))
    [region] = regions_of(alone).regions
    assert (region.region, region.nodes) == ("eu", 0)


def test_the_lag_is_that_of_the_slowest_who_is_there():
    assert a_look().lag_s == 41.25
    assert a_look(e=DEAD).lag_s == 2.0
    unknown = replace(a_look(), behind_s={"b": 0.0})
    assert unknown.lag_s is None, "what is not known is no 0"
