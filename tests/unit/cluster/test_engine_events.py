"""Events between whole engines: convergence, joining, catching up, acknowledgement."""

import asyncio

import pytest

from cluster.errors import JoinRefused, NotCaughtUp, NotDurable, StorageFailure
from tests.builders import a_member
from tests.fakes.fleet import Engine, fleet


def same_logs(*engines: Engine) -> bool:
    first, *others = engines
    return all(engine.records.logs == first.records.logs for engine in others)


async def test_three_engines_converge():
    """Every event reaches every node by push, whoever wrote it."""
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "us", "ap")
        dots = [
            engine.records.write(f"{engine.address}{n}") for n in range(50) for engine in (a, b, c)
        ]
        await ships.until(lambda: same_logs(a, b, c))
        assert sum(len(log) for log in a.records.logs.values()) == len(dots)
        await a.until(lambda now: now.totals.events_pushed >= 100)


async def test_pushes_are_batched():
    """A write burst must not cost one round trip per event."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        before = ships.network.count("push", "b:1")
        for n in range(200):
            a.records.write(str(n))
        await ships.until(lambda: same_logs(a, b, c))
        assert ships.network.count("push", "b:1") - before <= 3


async def test_large_logs_travel_in_bounded_batches():
    """One message has a size limit, however much is missing."""
    async with fleet() as ships:
        a = ships.add("a", push_batch_bytes=1000)
        for n in range(40):
            a.records.write(str(n), payload=bytes(200))
        ships.start(a)
        b = ships.add("b", seeds=("a:1",))
        ships.start(b)
        await b.cluster.wait_joined()
        assert same_logs(a, b)
        batches = [batch async for batch in a.cluster.service.pull(b.member.node, a.stage, {})]
        assert len(batches) >= 10
        assert all(sum(len(event.body) for event in batch) <= 1000 for batch in batches)


async def test_a_late_joiner_catches_up_and_learns_all_members_from_one_seed():
    """One living seed is enough to be a full member."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        for n in range(30):
            (a, b, c)[n % 3].records.write(str(n))
        d = ships.add("d", "us", seeds=("b:1",))
        ships.start(d)
        await d.cluster.wait_joined()
        await d.until_connected("a", "b", "c")
        await a.until_connected("b", "c", "d")
        await ships.until(lambda: same_logs(a, b, c, d))


async def test_a_peer_killed_in_the_middle_of_a_push_gets_the_rest_when_it_is_back():
    """A lost answer must neither lose nor repeat events."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        ships.network.block("b:1", "push")
        dot = a.records.write("one")
        await ships.until(lambda: ships.network.count("push", "b:1") > 0)
        await ships.kill(b)
        ships.network.unblock("b:1", "push")
        await a.until_connected("c")
        a.records.write("two")
        await a.cluster.wait_durable(dot)
        ships.restart(b)
        await ships.until(lambda: same_logs(a, b, c))
        seqs = [event.dot.seq for event in b.records.applied if event.dot.node == "a"]
        assert seqs == [1, 2]


async def test_a_push_that_nobody_answers_is_sent_again():
    """One lost call must not hold up the log, and each write of the region, for half a minute."""
    async with fleet() as ships:
        a, b = await ships.pair(push_timeout_s=0.02, antientropy_interval_s=1000.0)
        ships.network.lose("b:1", "push")
        dot = a.records.write("x")
        await ships.until(lambda: b.records.knows(dot))
        assert a.statistics.totals.pushes_unanswered == 1
        assert a.statistics.totals.links_lost == 0


async def test_a_greeting_that_overtakes_the_answer_to_a_push_does_not_pause_the_log():
    """If this fails, now and then a write waits a second for nothing."""
    async with fleet() as ships:
        a, b = await ships.pair(heartbeat_remote_interval_s=1000.0, antientropy_interval_s=1000.0)
        ships.network.hold_answers("b:1", "push")
        a.records.write("x")
        await a.until(lambda now: now.members[0].lag_events == 0)
        ships.network.release_answers("b:1", "push")
        dot = a.records.write("y")
        await ships.until(lambda: b.records.knows(dot))


async def test_a_cut_link_is_repaired_through_a_third_node():
    """Anti-entropy brings what a push cannot."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        ships.network.cut("a:1", "b:1")
        await a.until_connected("c")
        await b.until_connected("c")
        dot = a.records.write("x")
        await ships.until(lambda: b.records.knows(dot))
        ships.network.heal("a:1", "b:1")
        await a.until_connected("b", "c")


async def test_catch_up_makes_the_unseen_visible():
    """Between a 201 elsewhere and a look-up here there may be no push yet."""
    async with fleet() as ships:
        a, b, _ = await ships.trio(antientropy_interval_s=60.0)
        ships.network.block("b:1", "push")
        dot = a.records.write("x")
        assert not b.records.knows(dot)
        await b.cluster.catch_up()
        assert b.records.knows(dot)
        ships.network.unblock("b:1", "push")


async def test_concurrent_catch_ups_share_rounds():
    """A stampede of misses must not become a stampede of pulls."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=60.0)
        ships.network.block("a:1", "pull")
        before = ships.network.count("pull", "a:1")
        async with asyncio.TaskGroup() as group:
            first = group.create_task(b.cluster.catch_up())
            await ships.until(lambda: ships.network.count("pull", "a:1") > before)
            rest = [group.create_task(b.cluster.catch_up()) for _ in range(100)]
            dot = a.records.write("written while the first round runs")
            ships.network.unblock("a:1", "pull")
        assert first.done()
        assert all(task.done() for task in rest)
        assert b.records.knows(dot)
        assert ships.network.count("pull", "a:1") - before <= 2
        assert c.connected() == {"a", "b"}


async def test_catch_up_says_so_when_a_connected_peer_does_not_answer():
    """Silence is not 'not found'."""
    async with fleet() as ships:
        _, b, _ = await ships.trio(catch_up_timeout_s=0.05, antientropy_interval_s=60.0)
        ships.network.block("a:1", "pull")
        with pytest.raises(NotCaughtUp):
            await b.cluster.catch_up()
        ships.network.unblock("a:1", "pull")
        await b.cluster.catch_up()


async def test_catch_up_passes_over_a_peer_that_is_gone():
    """A dead peer costs one refused call, not the answer."""
    async with fleet() as ships:
        a, b, c = await ships.trio(heartbeat_interval_s=30.0, lease_s=100.0)
        dot = c.records.write("x")
        await ships.kill(a)
        await b.cluster.catch_up()
        assert b.records.knows(dot)
        assert b.connected() == {"c"}


async def test_before_joining_nothing_is_known_to_be_absent():
    async with fleet() as ships:
        a = ships.add("a", seeds=("nobody:1",), catch_up_timeout_s=0.02)
        ships.start(a)
        with pytest.raises(NotCaughtUp):
            await a.cluster.catch_up()


async def test_a_second_node_of_the_same_name_is_told_to_stop():
    """Two writers of one log would corrupt it everywhere."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        twin = a_member("a", host="elsewhere", epoch=7)
        clone = ships.adopt(twin, ("b:1",))
        ships.network.services[clone.address] = clone.cluster.service
        with pytest.raises(JoinRefused, match="'a' is taken"):
            await clone.cluster.run()
        assert b.connected() == {"a", "c"}
        assert a.connected() == {"b", "c"}


async def test_a_node_that_moved_is_found_at_its_new_address():
    """A name may change its address once nobody answers at the old one."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.kill(a)
        await b.until_connected("c")
        await c.until_connected("b")
        moved = ships.adopt(a_member("a", host="new", epoch=2), ("b:1",))
        ships.start(moved)
        await moved.cluster.wait_joined()
        await b.until_connected("a", "c")
        await c.until_connected("a", "b")


async def test_an_event_is_acknowledged_when_its_region_has_it():
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us")
        ships.network.block("c:1", "push")
        dot = a.records.write("x")
        await a.cluster.wait_durable(dot)
        assert b.records.knows(dot)
        assert not c.records.knows(dot)
        ships.network.unblock("c:1", "push")


async def test_an_acknowledgement_waits_for_every_node_of_the_region():
    """Read your writes through any node of the region (P2)."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.until(lambda: all(each.statistics.current for each in (a, b, c)))
        c.records.disk.clear()
        dot = a.records.write("x")
        async with asyncio.TaskGroup() as group:
            wait = group.create_task(a.cluster.wait_durable(dot))
            await ships.until(lambda: b.records.knows(dot))
            assert not wait.done()
            c.records.disk.set()
        assert c.records.knows(dot)


async def test_a_laggard_is_left_out_once_there_are_enough_copies():
    """One slow disk must not stop the region."""
    async with fleet() as ships:
        a, b, c = await ships.trio(laggard_s=0.02)
        c.records.disk.clear()
        dot = a.records.write("x")
        await a.cluster.wait_durable(dot)
        assert b.records.knows(dot)
        assert not c.records.knows(dot)
        assert a.statistics.totals.degraded == 0
        c.records.disk.set()


async def test_without_enough_copies_nothing_is_acknowledged():
    """P1: peers are there, and none of them confirms."""
    async with fleet() as ships:
        a, b, c = await ships.trio(laggard_s=0.01, durable_timeout_s=0.05)
        b.records.disk.clear()
        c.records.disk.clear()
        with pytest.raises(NotDurable):
            await a.cluster.wait_durable(a.records.write("x"))
        b.records.disk.set()
        c.records.disk.set()


async def test_alone_a_write_is_accepted_and_counted():
    """The default with a dead peer: accept, count, repair when it is back."""
    async with fleet() as ships:
        a, b = await ships.pair()
        await ships.kill(b)
        await a.until_connected()
        dot = a.records.write("x")
        await a.cluster.wait_durable(dot)
        assert a.statistics.totals.degraded == 1
        ships.restart(b)
        await ships.until(lambda: b.records.knows(dot))


async def test_a_cluster_of_one_is_not_degraded():
    async with fleet() as ships:
        a = ships.add("a")
        ships.start(a)
        await a.cluster.wait_durable(a.records.write("x"))
        await a.cluster.catch_up()
        assert a.statistics.totals.degraded == 0


async def test_events_from_the_future_are_parked_and_come_again():
    """A wrong clock must neither block other logs nor lose its own events."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        b.records.clock_limit = 10
        early = a.records.write("future", stamp=1 << 40)
        other = c.records.write("now", stamp=5)
        await ships.until(lambda: b.records.knows(other) and c.records.knows(early))
        await b.cluster.catch_up()
        assert not b.records.knows(early)
        assert b.log.named("events parked")[0].fields["peer"] == "a"
        b.records.clock_limit = None
        await ships.until(lambda: b.records.knows(early))
        assert b.statistics.totals.events_parked > 0


async def test_a_failing_disk_ends_the_link_and_not_the_engine():
    """P9: the local disk fails while a peer's events arrive; nothing is taken as known."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        b.records.broken = StorageFailure("Input/output error")
        dot = a.records.write("x")
        with pytest.raises(NotCaughtUp):
            await b.cluster.catch_up()
        b.records.broken = None
        await ships.until(lambda: b.records.knows(dot))
        await b.until_connected("a", "c")
        assert c.records.knows(dot)


async def test_a_dead_disk_is_no_absence_even_without_peers():
    """P9: the links went down with the disk; that nobody is connected must not read as 404."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.kill(a)
        await ships.kill(c)
        await b.cluster.catch_up()
        b.records.dead = StorageFailure("No space left on device")
        with pytest.raises(StorageFailure, match="No space"):
            await b.cluster.catch_up()


async def test_nothing_is_accepted_before_the_node_has_joined():
    """A node that restarts is alone for a moment; what it accepts then would be on it alone."""
    async with fleet() as ships:
        a = ships.add("a", "eu")
        b = ships.add("b", "eu", seeds=(a.address,), durable_timeout_s=0.05)
        ships.start(b)
        with pytest.raises(NotCaughtUp):
            await b.cluster.ensure_copies([])
        with pytest.raises(NotCaughtUp):
            await b.cluster.wait_durable(b.records.write("x"))
        ships.start(a)
        await b.until_connected("a")
        await ships.until(b.cluster.is_joined)
        await b.cluster.ensure_copies([])
        await b.cluster.wait_durable(b.records.write("y"))


async def test_a_node_that_lost_its_log_gets_it_back_from_a_peer():
    """What peers have of a log is not lost with the disk that it was written on."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        for n in range(5):
            a.records.write(str(n))
        await ships.until(lambda: same_logs(a, b, c))
        await ships.kill(a)
        del a.records.logs[a.records.origin][3:]
        ships.restart(a)
        await ships.until(lambda: same_logs(a, b, c))


async def test_lag_is_reported_per_member():
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        b.records.disk.clear()
        for n in range(7):
            a.records.write(str(n))
        await a.until(lambda now: {m.node: m.lag_events for m in now.members} == {"b": 7, "c": 0})
        b.records.disk.set()
        await a.until(lambda now: not any(m.lag_events for m in now.members))


async def test_cancelling_run_ends_every_task():
    """A node stops without stray tasks, and callers are told instead of left hanging."""
    before = asyncio.all_tasks()
    async with fleet() as ships:
        a, _, c = await ships.trio()
        await ships.kill(a)
        with pytest.raises(NotCaughtUp):
            await a.cluster.catch_up()
        await c.until_connected("b")
    assert asyncio.all_tasks() == before
