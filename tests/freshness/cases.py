"""
Directed worlds, one for each part of the proof: without the rule that it is about, something stale
is read, or nobody goes on. The rules held from the beginning in these.
"""

from collections.abc import Callable
from typing import Final

from cluster.layout.handover import Phase
from cluster.layout.transition import Live
from tests.freshness.layouts import layout
from tests.freshness.machine import Machine
from tests.freshness.scene import (
    Scene,
    acknowledged_by,
    greet,
    run_of,
    synced_unnoted,
    was_asked,
)
from tests.freshness.world import World

# What is confirmed.


def a_writer_has_a_reader() -> World:
    """c reads by a's own word, and lacks what a and b have."""
    world = Scene("3")
    a, c = world.nodes("a c")
    world.cut("bc")
    world.wait(2.0)
    greet(c, a)
    world.cut("ac")
    run_of(a).write()
    world.read(c, 1.5)
    return world


def a_writer_has_not_noted_its_own() -> World:
    """As a's disk has an event, and a has yet to note it, a lists c, which lacks that."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    origin = synced_unnoted(world)
    run_of(b).driver.note_synced({origin: (0, 1)})
    greet(a, b)
    for _ in range(2):
        greet(c, a)
    world.read(c, 0.3)
    return world


def a_minority_goes_on() -> World:
    """Two of five see nobody else. There are as many copies as are wanted."""
    world = Scene("5")
    a, c = world.nodes("a c")
    world.cut("ac", "ad", "ae", "bc", "bd", "be")
    world.wait(2.0)
    run_of(a).write()
    world.wait(1.0)
    world.read(c, 0.2)
    acknowledged_by(world, c)
    return world


def a_reader_was_set_back() -> World:
    """
    c had a's event, as it told a. Its disk was set back, and c has got back what b, d and e have.
    Now these get the event, and name c: which has it by the word of a run that is over.
    """
    world = Scene("5")
    a, c = world.nodes("a c")
    b, d, e = world.nodes("b d e")
    image = (dict(c.durable), 1)
    world.cut("ab", "ad", "ae")
    run_of(a).write()
    acknowledged_by(world, c)
    world.wait(1.0)
    world.cut("ac")
    c.kill()
    c.set_back(image)
    c.start()
    world.wait_until(lambda: all(was_asked(c, other)() for other in (b, d, e)))
    for giver in (b, d, e):
        run_of(c)._repair(giver.node)
    world.wait(2.0)
    world.heal("ab", "ad", "ae")
    world.wait(0.6)
    world.read(c, 1.0)
    return world


def _forgets_what_it_confirmed(world: Scene) -> None:
    """
    b confirmed a's event, and forgot it with its disk. It has got back what c, d and e have, which
    is all but that. Then d is cut off from all of them.
    """
    a, b, c, d, e = world.nodes("a b c d e")
    image = (dict(b.durable), 1)
    acknowledged_by(world, b)
    world.cut("ac", "ad", "ae")
    world.wait(2.0)
    run_of(a).write()
    world.wait(2.0)
    b.kill()
    world.cut("ab")
    b.set_back(image)
    b.start()
    world.wait_until(lambda: all(was_asked(b, other)() for other in (c, d, e)))
    for giver in (c, d, e):
        run_of(b)._repair(giver.node)
    world.wait(1.0)
    world.cut("bd", "cd", "de")


def a_confirmation_is_of_a_run_before() -> World:
    """
    b confirmed a's event, and forgot it with its disk. It has got back what c, d and e have. d gets
    the event after that, and knows of b's next run; a does not.
    """
    world = Scene("5")
    [c] = world.nodes("c")
    _forgets_what_it_confirmed(world)
    world.wait(1.5)
    world.heal("ad")
    world.wait(0.6)
    world.read(c, 1.0)
    return world


def who_met_the_next_run_was_restarted() -> World:
    """
    The same, and d is restarted as well: members are saved a moment after they greet, so it may
    have forgotten that it met b's next run. b's earlier word, which knows of d's earlier run, and
    the word of d's next one do not count together.
    """
    world = Scene("5", trust_s=1.5)
    b, c, d = world.nodes("b c d")
    _forgets_what_it_confirmed(world)
    d.kill()
    del d.known[b.node]
    d.start()
    world.wait(3.0)
    world.heal("ad")
    world.wait(0.6)
    world.read(c, 1.0)
    return world


# Who reads.


def a_reader_that_lags_holds_nobody_up() -> World:
    """b greets c, and gets nothing of what a writes."""
    world = Scene("3")
    a, _b = world.nodes("a b")
    world.cut("ab")
    run_of(a).write()
    world.wait(1.5)
    world.is_live(a)
    return world


def a_lease_comes_late() -> World:
    """b's answer to c is under way for as long as b counts c as a reader."""
    world = Scene("3")
    a, c = world.nodes("a c")
    world.cut("ac")
    world.wait(2.0)
    world.holds = {("b", "c")}
    world.wait(0.3)
    world.cut("bc")
    world.wait(0.7)
    run_of(a).write()
    world.wait(0.3)
    world.release()
    world.read(c, 0.5)
    return world


def the_clock_of_a_granter_is_fast() -> World:
    """b's clock is fast by nearly 5 %: c's lease is over by it, and not by c's own."""
    world = Scene("3", rates={"b": 1.049})
    a, b, c = world.nodes("a b c")
    world.cut("ac")
    world.wait(2.0)
    world.cut("bc")
    greet(c, b)
    world.wait(0.764)
    run_of(a).write()
    for _ in range(60):
        world.wait(0.001)
        run_of(c).read()
    return world


def a_reader_was_restarted() -> World:
    """c reads by b's word, is restarted, and lags: b does not name it any more."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    world.cut("ac")
    world.wait(2.0)
    greet(c, b)
    world.cut("bc")
    run_of(a).write()
    world.wait(0.05)
    c.kill()
    c.start()
    world.wait(0.25)
    for other in (a, b):
        greet(c, other)
    world.read(c, 1.0)
    return world


def an_earlier_run_of_a_reader_greets() -> World:
    """It was under way for long. The present run has a lease of b, and no link from there."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    world.holds = {("c", "b")}
    world.wait(0.3)
    c.kill()
    c.start()
    late, world.held = world.held[0], []
    greet(c, a)
    world.cut("ac")
    world.wait(0.6)
    for _ in range(2):
        greet(c, b)
    world.cut("bc")
    run_of(a).write()
    world.wait(0.3)
    late()
    world.read(c, 1.0)
    return world


# Runs and disks.


def a_granter_was_restarted() -> World:
    """c reads by the word of b's run before, of which the next one knows nothing; and c lags."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    world.cut("ac")
    world.wait(2.0)
    greet(c, b)
    world.cut("bc")
    run_of(a).write()
    world.wait(0.05)
    b.kill()
    b.start()
    greet(b, a)
    greet(b, c)
    world.read(c, 1.0)
    return world


def a_reader_was_set_back_itself() -> World:
    """b forgot what it confirmed, and asks c, which never had it."""
    world = Scene("3")
    a, b = world.nodes("a b")
    image = (dict(b.durable), 1)
    world.cut("ac", "bc")
    world.wait(1.5)
    acknowledged_by(world, a)
    b.kill()
    b.set_back(image)
    b.start()
    world.wait_until(was_asked(b, a))
    world.cut("ab")
    world.heal("bc")
    world.read(b)
    return world


def a_set_back_disk_starts_twice() -> World:
    """What the first run after that said is less than what was said before; a keeps both."""
    world = Scene("3")
    a, b, c = world.nodes("a b c")
    image = (dict(b.durable), 1)
    world.cut("ac", "bc")
    world.wait(1.5)
    acknowledged_by(world, a)
    b.kill()
    b.set_back(image)
    world.holds = {("a", "b")}
    b.start()
    world.wait(0.5)
    b.kill()
    world.cut("ab")
    b.start()
    greet(b, a)
    world.heal("bc")
    world.read(c)
    return world


# Layouts.


def a_writer_stays_behind() -> World:
    """
    {a, b, c} becomes {c, d, e}. a learns nothing of it, and b, which has handed over all that it
    had, gets another event of a, and says so.
    """
    world = Scene("3 changing")
    a, b, c, d, e = world.nodes("a b c d e")
    world.cut("ac", "ad", "ae")
    world.wait(2.0)
    run_of(a).learn = lambda slots: None  # Its disk takes none.
    new = layout(2, {"eu": ["c", "d", "e"], "us": ["a", "b"]}, 2)
    world.decided.append(Live(new, world.decided[0].newest))
    for machine in (b, c, d, e):
        run_of(machine).learn(2)
    world.wait_until(lambda: is_handed_over(c))
    world.cut("bc", "bd", "be")
    run_of(a).write()
    world.wait_until(lambda: run_of(c).slots.read == 3)
    world.read(c)
    return world


def is_handed_over(machine: Machine) -> bool:
    run = run_of(machine)
    return run.handover is not None and run.handover.view(run.now()).phase is Phase.WAITING


def two_measure_the_witness() -> World:
    """Each of a and b sees another node of the region beside theirs."""
    world = Scene("2+2")
    a, b = world.nodes("a b")
    world.cut("ab", "aw", "bv")
    world.wait(2.0)
    acknowledged_by(world, a)
    world.read(b)
    return world


def one_of_two_is_dead() -> World:
    """The other one goes on with the witness."""
    world = Scene("2+w")
    a, b = world.nodes("a b")
    a.kill()
    world.wait(2.0)
    world.is_live(b)
    return world


CASES: Final[list[Callable[[], World]]] = [
    a_writer_has_a_reader,
    a_writer_has_not_noted_its_own,
    a_minority_goes_on,
    a_reader_was_set_back,
    a_confirmation_is_of_a_run_before,
    who_met_the_next_run_was_restarted,
    a_reader_that_lags_holds_nobody_up,
    a_lease_comes_late,
    the_clock_of_a_granter_is_fast,
    a_reader_was_restarted,
    an_earlier_run_of_a_reader_greets,
    a_granter_was_restarted,
    a_reader_was_set_back_itself,
    a_set_back_disk_starts_twice,
    a_writer_stays_behind,
    two_measure_the_witness,
    one_of_two_is_dead,
]
