"""
Directed worlds: one step after the other, to holes that random ones rarely fall into. Each ends
with reads that an oracle judges, and each but those of `LIMITS` ended badly once.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from cluster.layout.document import Layout, LayoutMember, Role, by_name
from cluster.layout.transition import Live
from cluster.model import NodeId, Region
from tests.freshness.layouts import layout
from tests.freshness.scene import (
    Scene,
    acknowledged_by,
    held_of_an_earlier_run,
    run_of,
    synced_unnoted,
    was_asked,
)
from tests.freshness.world import World


def a_witness_is_set_back() -> World:
    """What a witness forgot is not of its own region: who heard it must tell it all the same."""
    world = Scene("2+w")
    a, b, w = world.nodes("a b w")
    image = (dict(w.durable), 1)
    world.cut("ab", "bw")
    world.wait(1.5)
    acknowledged_by(world, a)
    w.kill()
    w.set_back(image)
    w.start()
    world.heal("bw")
    world.wait_until(was_asked(w, a))
    world.cut("aw")
    world.read(b)
    return world


def who_heard_it_restarts_as_well() -> World:
    """
    Outside of what is promised (decision 28): b confirms, a counts that and restarts, and b's disk
    is set back before anybody else has the event. What a heard was in memory only.
    """
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    image = (dict(b.durable), 1)
    world.cut("ac", "bc")
    world.wait(1.5)
    acknowledged_by(world, a)
    b.kill()
    a.kill()
    world.wait(0.1)
    a.start()
    b.set_back(image)
    world.wait(0.1)
    b.start()
    world.heal("bc")
    world.wait_until(was_asked(b, a))
    world.cut("ab")
    world.read(c)
    return world


def a_pull_is_served_before_the_giver_has_recovered() -> World:
    """By the time that the answer is here the giver has everything. The answer has not."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    image = (dict(b.durable), 1)
    world.cut("ac", "bc")
    world.wait(1.5)
    acknowledged_by(world, a)
    b.kill()
    world.cut("ab")
    b.set_back(image)
    b.start()
    world.heal("bc")
    world.wait_until(lambda: run_of(c).links.get(b.node) == run_of(b).me.epoch)
    world.holds = {("b", "c")}
    run_of(c).read()
    world.wait(0.02)
    world.holds = set()
    world.heal("ab")
    for _ in range(20):
        for giver in (a, c):
            run_of(b)._repair(giver.node)
        world.wait(0.1)
    assert run_of(b).driver.is_continuous()
    world.release()
    world.wait(0.1)
    return world


def a_far_reader_lags_as_a_version_ends() -> World:
    """
    A far granter lets its readers lag for longer. The end of a version has to wait for that, too.

    a writes by version 1, of {a, b, w}; what b confirms comes late. By version 2, of {b, c, w}, c
    has a lease of w, which got the event from b after that.
    """
    world = Scene("2+w changing", trust_s=1.5)
    a, b, c, w = world.nodes("a b c w")
    world.cut("aw", "ac", "bw", "bc", "bv", "av", "vw")
    world.holds = {("b", "a")}
    run_of(a).write()
    world.wait_until(lambda: bool(b.durable))
    world.cuts["a", "b"] += 1
    old = world.decided[0].newest
    world.decided.append(Live(_with_c_for_a(old), old))
    for machine in (c, w):
        run_of(machine).learn(2)
    world.wait_until(lambda: c.disk in run_of(w).driver._machine.readers(c.region, w.clock()))
    world.wait(0.6)
    world.heal("bw")
    run_of(b).learn(2)
    world.wait_until(lambda: len(world.decided) == 3)
    for machine in (b, c, w):
        run_of(machine).learn(3)
    world.wait_until(lambda: run_of(c).slots.read == 3)
    world.release()
    world.wait(0.01)
    world.read(c, 2.0)
    return world


def _with_c_for_a(old: Layout) -> Layout:
    others = [m for m in old.members if m.node != "a"]
    a = old.member(NodeId("a"))
    assert a is not None
    voting = replace(a, roles=(Role.VOTER,))
    c = LayoutMember(NodeId("c"), "c-disk1", Region("eu"))
    return replace(old, version=2, members=by_name([voting, c, *others]))


def a_word_is_of_an_earlier_log() -> World:
    """
    How far a reader has a node's log is said of the log that the node wrote before, and heard by
    its next run: a channel that connects again by itself brings it there.
    """
    world = Scene("3")
    a, c = world.nodes("a c")
    acknowledged_by(world, a, 5)
    world.wait(0.5)
    world.holds = {("b", "a")}
    world.wait(0.3)  # b says that c has all five.
    a.kill()
    world.cut("ab")
    world.wait(0.1)
    a.start()
    world.wait(0.5)
    world.heal("ab")
    world.release()
    world.cut("ac")
    run_of(a).write()
    world.wait(0.6)
    world.read(c, 1.0)
    return world


def a_word_comes_late() -> World:
    """
    Who reads by b's word as of an event is not who reads by it as of an earlier one: the greeting
    that said so is behind the answer to a push.
    """
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    world.cut("ac", "bc")
    world.wait(2.0)  # Nobody reads by b's word but a.
    said = run_of(b).driver.confirmation(run_of(a).me)
    greeting = replace(run_of(b)._greeting(brief=True), confirmation=said)
    world.heal("bc")
    world.wait_until(lambda: run_of(c).driver.is_covered())
    world.cut("bc")
    run_of(a).write()
    world.wait(0.05)
    run_of(a)._note(greeting)
    world.read(c, 1.0)
    return world


def a_vector_is_ahead_of_what_was_noted() -> World:
    """A disk has an event, and its node's moments do not: c is listed without it."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    origin = synced_unnoted(world)
    said = run_of(b).driver.confirmation(run_of(a).me)
    greeting = replace(run_of(b)._greeting(brief=True), confirmation=said)
    for _ in range(2):
        question = run_of(c)._greeting(brief=False)
        answer = run_of(b).on_hello(question)
        run_of(c)._on_answer(b.node, question, answer, c.clock())
        world.cuts["b", "c"] = world.cuts["c", "b"] = 1
    for machine in (a, b):
        run_of(machine).driver.note_synced({origin: (0, 1)})
    run_of(a)._note(greeting)
    world.read(c, 0.3)
    return world


def a_later_run_answers_a_pull() -> World:
    """A channel connects again by itself: what c asks b's earlier run, the next one answers."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    image = (dict(b.durable), 1)
    world.cut("ac", "bc")
    world.wait(1.5)
    acknowledged_by(world, a)
    world.heal("bc")
    world.wait_until(lambda: c.node in run_of(b).links and b.node in run_of(c).links)
    world.cut("bc", "ab")
    b.kill()
    b.set_back(image)
    b.start()
    world.wait(0.2)
    world.heal("bc")
    run_of(c).read()
    world.wait(0.1)
    return world


def what_a_giver_lost_is_handed_over() -> World:
    """
    The layout grows from {a, b, c} by d and e. b's disk was set back, and a, who has what b
    confirmed, is cut off: b and c are a majority of the old version, and neither has it.
    """
    world = Scene("3 changing")
    a, b, c, d, e = world.nodes("a b c d e")
    image = (dict(b.durable), 1)
    world.cut("ac", "bc", "ad", "bd", "ae", "be")
    world.wait(1.5)
    acknowledged_by(world, a)
    b.kill()
    b.set_back(image)
    b.start()
    world.wait_until(was_asked(b, a))
    world.cut("ab")
    world.heal("bc", "bd", "be")
    old = world.decided[0].newest
    world.decided.append(Live(layout(2, {"eu": ["a", "b", "c", "d", "e"]}, 2), old))
    for machine in (b, c, d, e):
        run_of(machine).learn(2)
    world.wait(6.0)
    for machine in (c, d, e):
        run_of(machine).learn(len(world.decided))
    world.wait(0.5)
    world.read(c)
    return world


def what_the_present_run_said_counts_as_earlier() -> World:
    """
    An earlier run's greeting comes late to c, and that takes a's present run for over. It is not:
    a has what that said. If a took its disk for set back, b, whose disk was, would never recover.
    """
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    a.kill()
    a.start()
    late = held_of_an_earlier_run(world, a, c)
    image = (dict(b.durable), 1)
    acknowledged_by(world, a)
    world.wait(0.3)
    world.cut("ac")
    world.wait(2.0)
    for arrive in late:
        arrive()
    world.heal("ac")
    world.wait(2.0)
    b.kill()
    b.set_back(image)
    b.start()
    world.wait(1.0)
    for _ in range(10):
        for giver in (a, c):
            run_of(b)._repair(giver.node)
        world.wait(0.5)
    world.is_live(a, b, c)
    return world


def an_earlier_run_wipes_what_a_later_one_said() -> World:
    """
    A greeting of b's run before the last one comes late to a, and is of a whole disk. What the last
    one confirmed is not among what that had, and a has to keep it.
    """
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    late = held_of_an_earlier_run(world, b, a)
    image = (dict(b.durable), 1)
    world.cut("ac", "bc")
    world.wait(1.5)
    acknowledged_by(world, a)
    world.cut("ab")
    world.wait(2.0)
    for arrive in late:
        arrive()
    b.kill()
    b.set_back(image)
    b.start()
    world.heal("ab", "bc")
    world.wait_until(was_asked(b, a))
    world.cut("ab")
    world.read(c)
    return world


SCENARIOS: Final[list[Callable[[], World]]] = [
    a_witness_is_set_back,
    a_pull_is_served_before_the_giver_has_recovered,
    a_far_reader_lags_as_a_version_ends,
    a_word_is_of_an_earlier_log,
    a_word_comes_late,
    a_vector_is_ahead_of_what_was_noted,
    a_later_run_answers_a_pull,
    what_a_giver_lost_is_handed_over,
    what_the_present_run_said_counts_as_earlier,
    an_earlier_run_wipes_what_a_later_one_said,
]

LIMITS: Final[list[Callable[[], World]]] = [who_heard_it_restarts_as_well]
"""Here something stale is read, as the decision says it may be."""
