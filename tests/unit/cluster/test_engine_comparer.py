"""A wrong index is noticed, and replaced where it is clear which one is wrong."""

from cluster.model import Origin
from cluster.state import State
from tests.fakes.fleet import Engine, Fleet, fleet

TUNING = {"compare_interval_s": 0.02, "check_rows_interval_s": 3_600.0, "check_rows_again_s": 0.05}


async def pair(ships: Fleet, **tuning: object) -> tuple[Engine, Engine]:
    """Two nodes with the same five events."""
    a, b = await ships.pair(**{**TUNING, **tuning})
    for number in range(5):
        a.records.write(f"m{number}")
    await ships.until(lambda: b.records.vector() == a.records.vector())
    return a, b


def alarms(engine: Engine) -> list[str]:
    return [line.event for line in engine.log.lines if line.level == "error"]


async def test_equal_indexes_are_compared_and_nothing_happens():
    """Broken: healthy nodes alarm, or read all their rows once a minute."""
    async with fleet() as ships:
        a, b = await pair(ships)
        await ships.until(lambda: ships.network.count("compare", "a:1") > 2)
        for engine in (a, b):
            now = engine.statistics
            assert now.totals.comparisons > 0
            assert (now.totals.differences, now.totals.rows_checks) == (0, 0)
            assert now.differing == ()
            assert not now.damaged
            assert alarms(engine) == []


async def test_two_sound_indexes_that_differ_are_an_alarm_and_nothing_else():
    """Broken: a node throws away its index though nobody can say that it is the wrong one."""
    async with fleet() as ships:
        a, b = await pair(ships)
        a.records.off = True
        await ships.until(lambda: all(e.statistics.totals.rows_checks > 2 for e in (a, b)))
        for engine, other in ((a, b), (b, a)):
            now = engine.statistics
            assert now.differing == (other.member.node,)
            assert not now.damaged
            assert now.totals.restores == 0
            assert alarms(engine) == ["rows differ from a member's"], "once, however long it stays"
        assert ships.network.count("checkpoint") == 0
        # Somebody has repaired it.
        a.records.off = False
        await ships.until(lambda: not any(e.statistics.differing for e in (a, b)))


async def test_a_damaged_index_is_replaced_by_that_of_a_sound_member():
    """Broken: rows that rotted stay wrong for ever."""
    async with fleet() as ships:
        a, b = await pair(ships)
        only_here = a.records.write("acknowledged")
        a.records.off = a.records.damaged = True
        await ships.until(lambda: a.statistics.totals.restores == 1)
        await ships.until(lambda: State.DAMAGED not in a.cluster.state)
        assert "rows are not what was written" in alarms(a)
        await ships.until(lambda: not any(e.statistics.differing for e in (a, b)))
        assert b.statistics.totals.restores == 0
        assert a.records.knows(only_here)
        assert State.LACKING not in a.cluster.state


async def test_rows_that_rotted_unseen_are_found_by_the_check():
    """
    Broken: the sums are kept from change to change, so they stay equal when a row changes by
    itself, and no comparison ever shows it.
    """
    async with fleet() as ships:
        a, b = await pair(ships, check_rows_interval_s=0.05)
        a.records.damaged = True
        await ships.until(lambda: a.statistics.totals.restores == 1)
        await ships.until(lambda: State.DAMAGED not in a.cluster.state)
        assert a.statistics.totals.rows_damaged >= 1
        assert b.statistics.totals.restores == 0


async def test_nothing_is_taken_over_from_a_member_that_is_damaged_too():
    """Broken: with two bad disks, a node that still serves most of its rows ends with none."""
    async with fleet() as ships:
        a, b = await pair(ships, check_rows_interval_s=0.05)
        for engine in (a, b):
            engine.records.damaged = True
        await ships.until(lambda: all(State.DAMAGED in e.cluster.state for e in (a, b)))
        before = ships.network.count("compare")
        await ships.until(lambda: ships.network.count("compare") > before + 10)
        assert ships.network.count("checkpoint") == 0
        assert not any(State.LACKING in e.cluster.state for e in (a, b))


async def test_a_sound_member_that_cannot_give_its_state_changes_nothing():
    """Broken: a node stops serving, and waits for ever for a state that nobody gives."""
    async with fleet() as ships:
        a, _ = await pair(ships, check_rows_interval_s=0.05, checkpoint_keep_s=0.05)
        # What a has forgotten of a log that b has never heard of is in a's rows only.
        unheard = Origin("gone", 1)
        a.records.floors[unheard] = 5
        a.records.damaged = True
        await ships.until(lambda: ships.network.count("checkpoint", "b:1") > 2)
        assert not a.records.restoring
        assert State.DAMAGED in a.cluster.state
        assert a.statistics.totals.restores == 0
        del a.records.floors[unheard]
        await ships.until(lambda: a.statistics.totals.restores == 1)
        await ships.until(lambda: State.DAMAGED not in a.cluster.state)
