"""A node that needs events which are gone takes over the state of a peer."""

import asyncio
from contextlib import nullcontext

import pytest

from cluster.clock import COUNTER_BITS
from cluster.driver import checkpoints
from cluster.errors import CheckpointUnavailable, NotCaughtUp
from cluster.model import NodeId, Origin
from cluster.state import State
from tests.builders import a_member
from tests.fakes.fleet import Engine, Fleet, fleet

A = Origin("a", 1)
C, D = NodeId("c"), NodeId("d")


async def trimmed_pair(ships: Fleet, **tuning: object) -> tuple[Engine, Engine]:
    """Two nodes with ten events of a, of which the first seven are forgotten at both."""
    a, b = await ships.pair(**tuning)
    await trim_ten(ships, a, b)
    return a, b


async def trim_ten(ships: Fleet, a: Engine, b: Engine) -> None:
    for number in range(10):
        a.records.write(f"m{number}")
    await ships.until(lambda: b.records.vector() == a.records.vector())
    for engine in (a, b):
        await engine.records.trim({A: 7})


async def test_a_new_member_takes_over_a_state():
    """Broken: nobody can join once a log was trimmed."""
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships)
        c = ships.add("c", seeds=("a:1", "b:1"))
        ships.start(c)
        await c.cluster.wait_joined()
        assert c.records.vector() == a.records.vector()
        assert c.statistics.totals.restores == 1
        assert State.LACKING not in c.cluster.state
        # And it is a member like any other from there on.
        dot = a.records.write("later")
        await ships.until(lambda: c.records.knows(dot))


@pytest.mark.parametrize(("events_min", "restores"), [(20, 1), (21, 0)])
async def test_an_empty_node_takes_over_what_would_be_many_events(events_min: int, restores: int):
    """Broken: a new node applies years of events one by one while its region waits."""
    async with fleet() as ships:
        a = ships.add("a", checkpoint_events=events_min)
        for number in range(20):
            a.records.write(f"m{number}")
        ships.start(a)
        b = ships.add("b", seeds=("a:1",), checkpoint_events=events_min)
        ships.start(b)
        await b.cluster.wait_joined()
        assert b.records.vector() == a.records.vector()
        assert b.statistics.totals.restores == restores


async def test_joining_lasts_until_a_seed_that_answers_is_caught_up_with():
    """Broken: a node is ready, and answers 503 to all its reads."""
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships)
        c = ships.add("c", seeds=("a:1", "nobody:1"), join_timeout_s=0.02)
        ships.network.block("a:1", "checkpoint")
        ships.network.block("b:1", "checkpoint")
        ships.start(c)
        await ships.until(lambda: ships.network.count("checkpoint") > 0)
        before = ships.network.count("hello", "a:1")
        await ships.until(lambda: ships.network.count("hello", "a:1") > before + 10)
        assert not c.cluster.is_joined()
        for address in ("a:1", "b:1"):
            ships.network.unblock(address, "checkpoint")
        await c.cluster.wait_joined()
        assert c.records.vector() == a.records.vector()


async def test_what_only_this_node_has_survives():
    """Broken: an acknowledged push vanishes because its node was away too long."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.kill(c)
        own = c.records.write("mine")
        await trim_ten(ships, a, b)
        ships.next_run(c)
        await ships.until(lambda: a.records.knows(own) and b.records.knows(own))
        assert c.records.knows(own)


async def test_a_stream_that_breaks_goes_on_where_it_ended():
    """Broken: over a link that breaks every few minutes, a large index never arrives."""
    async with fleet() as ships:
        a, b = await trimmed_pair(ships)
        for number in range(3):
            b.records.write(f"n{number}")
        await ships.until(lambda: a.records.vector() == b.records.vector())
        await ships.kill(b)
        c = ships.add("c", seeds=("a:1",))
        restore, cut = c.records.restore, []

        async def restore_and_cut(part):
            await restore(part)
            if not cut:
                cut.append(part)
                ships.network.cut("a:1", "c:1")
                asyncio.get_running_loop().call_later(0.01, ships.network.heal, "a:1", "c:1")

        c.records.restore = restore_and_cut
        ships.start(c)
        await ships.until(lambda: c.records.vector() == a.records.vector())
        assert cut
        # The first part came once: the records count the rows, and would have refused.
        assert a.statistics.totals.checkpoint_rows_served >= 13


async def test_reads_wait_while_the_state_is_taken_over():
    """Broken: a node answers "not found" from a half-filled index."""
    async with fleet() as ships:
        await trimmed_pair(ships)
        c = ships.add("c", seeds=("a:1", "b:1"), catch_up_timeout_s=0.05)
        ships.network.block("a:1", "checkpoint")
        ships.network.block("b:1", "checkpoint")
        ships.start(c)
        await ships.until(lambda: State.LACKING in c.cluster.state)
        with pytest.raises(NotCaughtUp):
            await c.cluster.ensure_current()
        for address in ("a:1", "b:1"):
            ships.network.unblock(address, "checkpoint")
        await c.cluster.wait_joined()
        await c.cluster.ensure_current()


async def test_an_interrupted_restore_begins_again_after_a_restart():
    """Broken: a crash in the middle leaves a node that serves nothing for ever."""
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships)
        c = ships.add("c", seeds=("a:1", "b:1"))
        c.records.restoring = True
        c.renew()
        ships.start(c)
        await c.cluster.wait_joined()
        assert c.records.vector() == a.records.vector()


async def test_only_so_many_checkpoints_are_open():
    """Broken: a region that comes back at once holds back every file of the provider's store."""
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships, checkpoints_max=1, checkpoint_keep_s=0.05)
        service = a.cluster.service
        first = service.checkpoint(C, 0, b"")
        piece = await anext(first)
        with pytest.raises(CheckpointUnavailable):
            await anext(service.checkpoint(D, 0, b""))
        await first.aclose()
        # Kept for a while for whoever was cut off ...
        again = service.checkpoint(C, piece.number, b"")
        assert (await anext(again)).number == piece.number
        await again.aclose()
        # ... and then closed.
        await ships.until(lambda: bool(a.log.named("checkpoint closed")))
        with pytest.raises(CheckpointUnavailable):
            await anext(service.checkpoint(C, piece.number, b""))
        assert (await anext(service.checkpoint(C, 0, b""))).number != piece.number


async def test_a_damaged_node_serves_no_checkpoint():
    """Broken: a newcomer takes over a whole state, finds it is not that of its sums, and again."""
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships)
        a.cluster.state.put(State.DAMAGED, "a test")
        with pytest.raises(CheckpointUnavailable):
            await anext(a.cluster.service.checkpoint(C, 0, b""))
        a.cluster.state.put(State.DAMAGED, None)
        a.cluster.state.put(State.LACKING, "a test")
        assert (await anext(a.cluster.service.checkpoint(C, 0, b""))).number


@pytest.mark.parametrize(("reader", "is_closed"), [("b", True), ("c", False)])
async def test_a_checkpoint_is_kept_for_who_was_cut_off(
    monkeypatch: pytest.MonkeyPatch, reader: str, is_closed: bool
):
    """Broken: two that want nothing of it keep all others from taking over a state for a minute."""
    monkeypatch.setattr(checkpoints, "_LEFT_S", 0.0)
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships, checkpoints_max=1)
        await a.until_connected("b")
        service = a.cluster.service
        left = service.checkpoint(NodeId(reader), 0, b"")
        await anext(left)
        with pytest.raises(CheckpointUnavailable):
            await anext(service.checkpoint(D, 0, b""))
        await left.aclose()
        with nullcontext() if is_closed else pytest.raises(CheckpointUnavailable):
            await anext(service.checkpoint(D, 0, b""))


async def test_a_checkpoint_that_is_read_too_slowly_is_closed():
    """Broken: a reader that never ends keeps files of the store, and all others out, for ever."""
    async with fleet() as ships:
        tuning = {"checkpoint_keep_s": 0.05, "checkpoint_age_max_s": 0.01}
        a, b = await trimmed_pair(ships, checkpoints_max=1, **tuning)
        b.records.write("n")  # a second part
        await ships.until(lambda: a.records.vector() == b.records.vector())
        service = a.cluster.service
        slow = service.checkpoint(C, 0, b"")
        piece = await anext(slow)
        await ships.until(lambda: bool(a.log.named("checkpoint closed")))
        with pytest.raises(CheckpointUnavailable):
            await anext(service.checkpoint(C, piece.number, b""))
        with pytest.raises(CheckpointUnavailable):
            await anext(slow)
        await anext(service.checkpoint(D, 0, b""))


async def test_who_begins_again_gives_up_the_checkpoint_it_had():
    """Broken: a reader whose disk is full opens one after the other, and nobody else gets one."""
    async with fleet() as ships:
        a, _ = await trimmed_pair(ships, checkpoints_max=1)
        service = a.cluster.service
        refused = service.checkpoint(C, 0, b"")
        given_up = await anext(refused)
        again = service.checkpoint(C, 0, b"")
        piece = await anext(again)
        assert piece.number != given_up.number
        with pytest.raises(CheckpointUnavailable):
            await anext(service.checkpoint(C, given_up.number, b""))
        for stream in (refused, again):
            await stream.aclose()
        assert len(a.log.named("checkpoint closed")) == 1


async def test_logs_are_trimmed_once_everybody_has_them():
    """Broken: the disk fills up with events that nobody will ask for."""
    async with fleet() as ships:
        a, b, c = await ships.trio(log_settled_s=1.0, trim_interval_s=0.01)
        now = a.clock.now_ms()
        for number in range(5):
            a.records.write(f"old{number}", stamp=(now - 10_000) << COUNTER_BITS)
        a.records.write("young", stamp=now << COUNTER_BITS)
        await ships.until(lambda: all(e.records.floor().get(A) == 5 for e in (a, b, c)))
        assert a.statistics.totals.events_trimmed == 5
        # What c lacks stays while c is away.
        await ships.kill(c)
        a.records.write("missed", stamp=(now - 9_000) << COUNTER_BITS)
        await ships.until(lambda: b.records.vector()[A] == 7)
        ships.restart(c)
        await ships.until(lambda: c.records.vector()[A] == 7)
        assert c.statistics.totals.restores == 0


async def test_what_a_newcomer_wrote_before_it_had_joined_is_not_old():
    """It is stamped without the time; broken: who is away for a moment takes over a checkpoint."""
    async with fleet() as ships:
        seeds, tuning = ("a:1", "late:1", "old:1"), {"log_settled_s": 1.0, "trim_interval_s": 0.01}
        now_ms = ships.add("a", seeds=seeds, **tuning).clock.now_ms()
        for name, began_ms in (("late", now_ms), ("old", now_ms - 60_000)):
            ships.adopt(a_member(name, epoch=began_ms << COUNTER_BITS), seeds, **tuning)
        engines = a, late, old = list(ships.engines.values())
        for engine in engines:
            ships.start(engine)
        for newcomer in (late, old):
            dot = newcomer.records.write("held", stamp=1)
            await ships.until(lambda dot=dot: all(e.records.knows(dot) for e in engines))
        await ships.until(lambda: a.records.floor() != {})
        assert a.records.floor() == {old.records.origin: 1}


async def test_a_run_that_began_in_the_future_is_trimmed_by_its_stamps():
    """Its clock was wrong once; broken: its log, and those of its later runs, grow until then."""
    async with fleet() as ships:
        seeds, tuning = ("a:1", "b:1"), {"log_settled_s": 1.0, "trim_interval_s": 0.01}
        a = ships.add("a", seeds=seeds, **tuning)
        now_ms = a.clock.now_ms()
        epoch = now_ms + 10**9 << COUNTER_BITS
        b = ships.adopt(a_member("b", epoch=epoch), seeds, **tuning)
        for engine in (a, b):
            ships.start(engine)
        b.records.write("x", stamp=now_ms - 60_000 << COUNTER_BITS)
        await ships.until(lambda: a.records.floor() == {b.records.origin: 1})


@pytest.mark.parametrize("late", [False, True], ids=["linked", "its link takes longer"])
async def test_events_that_another_member_has_spare_the_state(late: bool):
    """Broken: one member that began with a checkpoint makes those that come back give up theirs."""
    async with fleet() as ships:
        # The writer will be dead, and nobody has noticed yet: its link is waited for so long.
        a, b, c, writer = await ships.together("abcd", ("eu",) * 4, dial_timeout_s=0.3)
        log = Origin("d", 1)
        writer.records.write("before")
        await ships.until(lambda: c.records.vector().get(log) == 1)
        await ships.kill(c)
        for number in range(5):
            writer.records.write(f"m{number}")
        await ships.until(lambda: a.records.vector()[log] == b.records.vector()[log] == 6)
        await a.records.trim({log: 6})
        await ships.kill(writer)
        if late:
            ships.network.block("b:1", "hello")
        ships.restart(c)
        if late:
            await ships.until(lambda: State.LACKING in c.cluster.state)
            await asyncio.sleep(0.05)
            ships.network.unblock("b:1", "hello")
        await ships.until(
            lambda: c.records.vector()[log] == 6 and State.LACKING not in c.cluster.state
        )
        assert c.log.named("events are gone at the peer")
        assert c.statistics.totals.restores == 0
        assert ships.network.count("checkpoint") == 0


async def test_an_event_that_is_parked_does_not_keep_a_state_wanted():
    """Broken: for as long as one clock was ahead, this node is not ready, and asks and asks."""
    async with fleet() as ships:
        _, b, c = await ships.trio()
        b.records.clock_limit = 10
        c.records.write("of the future", stamp=1 << 40)
        await ships.until(lambda: b.parks())
        await ships.until(lambda: bool(b.told(C)))
        b.want_state("a")
        await ships.until(lambda: State.LACKING not in b.cluster.state)
        assert b.statistics.totals.restores == 0


async def test_a_state_is_no_longer_wanted_once_the_events_have_come():
    """Broken: a node asks for checkpoints for ever, serves nothing, and starves who needs one."""
    async with fleet() as ships:
        _, b = await trimmed_pair(ships)
        await b.cluster.wait_joined()
        # A peer said "below the floor", and the events came from another one just then.
        b.want_state("a")
        assert State.LACKING in b.cluster.state
        await ships.until(lambda: State.LACKING not in b.cluster.state)
        assert ships.network.count("checkpoint", "a:1") == 0
