"""Membership of whole engines: death and return, leaving, remembering, names taken twice."""

import asyncio
from dataclasses import replace

import pytest

from cluster.driver import prober
from cluster.errors import (
    MemberNotDead,
    MemberUnknown,
    NotDecided,
    NotDurable,
    NotEnoughNodes,
    StartsEmpty,
    StorageFailure,
    WrongCluster,
)
from cluster.messages import ProbeRequest
from cluster.model import (
    Consistency,
    NodeId,
    Region,
    Rumour,
    Standing,
    Status,
)
from cluster.state import State
from tests.builders import a_member
from tests.fakes.fleet import CALM, FAST_DETECTOR, PATIENCE_S, Engine, Fleet, fleet

B, C, EU = NodeId("b"), NodeId("c"), Region("eu")


def status(observer: Engine, node: str) -> Status | None:
    return next((m.status for m in observer.statistics.members if m.node == node), None)


def incarnation(observer: Engine, node: str) -> int:
    return next(m.incarnation for m in observer.statistics.members if m.node == node)


def living(observer: Engine) -> set[str]:
    members = observer.statistics.members
    return {m.node for m in members if m.status is not Status.DEAD}


async def until_status(ships: Fleet, node: str, wanted: Status | None, *observers: Engine) -> None:
    await ships.until(lambda: all(status(each, node) is wanted for each in observers))


async def test_the_dead_stay_members_and_nobody_waits_for_them():
    """Dead changes routing and waiting only."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        assert living(a) == {"b", "c"}
        before = incarnation(a, "c")
        await ships.kill(c)
        await until_status(ships, "c", Status.DEAD, a, b)
        assert living(a) == {"b"}
        assert len(a.statistics.members) == 2
        assert a.statistics.totals.deaths == 1
        assert [line.fields["peer"] for line in a.log.named("member dead")] == ["c"]
        ships.restart(c)
        await until_status(ships, "c", Status.ALIVE, a, b)
        assert incarnation(a, "c") > before
        assert living(a) == {"b", "c"}


async def test_a_silent_node_dies_and_returns_by_its_own_word():
    """A process that hangs refuses no connection; nothing but probes finds it."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        ships.network.stop("c:1")
        await until_status(ships, "c", Status.DEAD, a, b)
        ships.network.resume("c:1")
        await until_status(ships, "c", Status.ALIVE, a, b)
        assert c.statistics.totals.refutations >= 1


async def test_a_broken_line_between_two_kills_neither():
    """One bad cable would take two nodes out of the region."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        ships.network.cut("a:1", "b:1")
        await a.until_connected("c")
        helped = ships.network.count("probe", "c:1")
        await ships.until(lambda: ships.network.count("probe", "c:1") >= helped + 40)
        for engine in (a, b, c):
            assert engine.statistics.totals.deaths == 0
        ships.network.heal("a:1", "b:1")
        await a.until_connected("b", "c")


async def test_a_partition_heals():
    """Both sides hold the other for dead; no third node could tell them."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        for other in ("a:1", "b:1"):
            ships.network.cut("c:1", other)
        await until_status(ships, "c", Status.DEAD, a, b)
        await until_status(ships, "a", Status.DEAD, c)
        await until_status(ships, "b", Status.DEAD, c)
        for other in ("a:1", "b:1"):
            ships.network.heal("c:1", other)
        await until_status(ships, "c", Status.ALIVE, a, b)
        await until_status(ships, "a", Status.ALIVE, b, c)
        await until_status(ships, "b", Status.ALIVE, a, c)


async def test_who_leaves_is_forgotten_at_once_and_may_come_back():
    """A node taken out of service would be waited for, and hold the log's floor, for ever."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        assert sorted(await c.leave()) == ["a", "b"]
        assert status(a, "c") is None
        assert status(b, "c") is None
        assert living(a) == {"b"}
        await ships.kill(c)
        await a.until_connected("b")
        await ships.until(lambda: a.known.saved["c"].standing.status is Status.LEFT)
        assert a.statistics.totals.deaths == 0
        ships.wipe(c)
        await until_status(ships, "c", Status.ALIVE, a, b)
        await c.until_connected("a", "b")
        await c.cluster.wait_joined()


async def test_who_does_not_answer_a_farewell_is_told_again():
    """Broken: one message is lost, and the operator hears that a node has not taken note."""
    async with fleet() as ships:
        _, b, c = await ships.trio(leave_timeout_s=0.3)
        ships.network.block("a:1", "probe")
        leaving = asyncio.create_task(c.leave())
        await ships.until(lambda: status(b, "c") is None)
        await asyncio.sleep(0.4)
        ships.network.unblock("a:1", "probe")
        assert sorted(await leaving) == ["a", "b"]


async def test_who_is_not_linked_in_that_moment_is_told_too():
    """Broken: a link is lost while its node leaves, and the operator hears that nobody noted it."""
    async with fleet() as ships:
        a, _, c = await ships.trio(heartbeat_timeout_s=0.2)
        ships.network.block(c.address, "pull")
        leaving = asyncio.create_task(c.leave())
        await ships.until(lambda: a.cluster.layouts.live.newest.member(C) is None)
        ships.network.block(a.address, "hello")
        await ships.until(lambda: "a" not in c.connected())
        ships.network.unblock(c.address, "pull")
        assert sorted(await leaving) == ["a", "b"]


async def test_who_left_does_not_come_back_with_its_disk():
    """Broken: what was deleted since comes back with it (U5)."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        await c.leave()
        await ships.kill(c)
        await a.until_connected("b")
        c.renew()
        ships.network.services[c.address] = c.cluster.service
        with pytest.raises(StartsEmpty, match="it was removed from the layout"):
            await c.cluster.run()
        assert b.keepers() == ("a", "b")


async def test_nobody_waits_for_who_has_left():
    """Every read would go to the peers and every write wait a second, for ever."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        await c.leave()
        await ships.kill(c)
        await a.until_connected("b")
        await ships.until(lambda: a.statistics.current)
        assert await a.cluster.wait_durable(a.records.write("x"), Consistency.GLOBAL) == (2, 2)
        assert (await a.cluster.wait_for(b.records.write("y"), None, 20)).complete


async def test_who_leaves_hands_over_its_log_first():
    """With it would go what was acknowledged on this node alone."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        b.records.disk.clear()
        dot = c.records.write("x")
        async with asyncio.TaskGroup() as group:
            leave = group.create_task(c.leave())
            await ships.until(lambda: a.records.knows(dot))
            await asyncio.sleep(2.0)
            assert status(a, "c") is Status.ALIVE
            assert not leave.done(), "of two copies one would go with it"
            b.records.disk.set()
        assert b.records.knows(dot)
        assert status(a, "c") is None


async def test_a_node_that_leaves_is_no_copy_from_when_that_is_decided():
    """It takes pushes until those who stay have all that it has; its disk goes with it."""
    async with fleet() as ships:
        a, b, c = await ships.trio(durable_timeout_s=0.2)
        ships.network.block(c.address, "pull")
        leaving = asyncio.create_task(b.leave())
        await ships.until(lambda: a.cluster.layouts.live.newest.member(B) is None)
        c.records.disk.clear()
        dot = a.records.write("x")
        with pytest.raises(NotDurable):
            await a.cluster.wait_durable(dot)
        assert b.records.knows(dot)
        c.records.disk.set()
        ships.network.unblock(c.address, "pull")
        await leaving
        await a.cluster.wait_durable(dot)


async def test_nobody_waits_for_events_of_a_member_that_left():
    """
    Broken: the storage here failed while it was leaving, and all that asks its peers is 503 until
    a restart.
    """
    async with fleet() as ships:
        calm = CALM | FAST_DETECTOR | {"antientropy_interval_s": 0.1}
        _, b, c, *_ = await ships.together("abcde", ("eu",) * 5, **calm)
        b.records.broken = StorageFailure("no room")
        c.records.write("x")
        await ships.until(lambda: "c" in b.hindered())
        await c.leave()
        await ships.kill(c)
        b.records.broken = None
        await ships.until(lambda: not b.hindered())
        await b.cluster.catch_up()


async def test_uploads_are_passed_on_to_the_living_only():
    """A client would wait for a machine that is gone, instead of starting again elsewhere."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        assert a.cluster.http_address(c.member.node) == c.member.http
        ships.network.stop("c:1")
        await until_status(ships, "c", Status.DEAD, a)
        assert a.cluster.http_address(c.member.node) is None
        ships.network.resume("c:1")
        await until_status(ships, "c", Status.ALIVE, a)
        assert a.cluster.http_address(c.member.node) == c.member.http
        await b.leave()
        assert a.cluster.http_address(b.member.node) is None


async def test_those_that_left_are_dropped_after_a_while():
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR, left_keep_s=0.05)
        await c.leave()
        await ships.kill(c)
        await ships.until(lambda: "c" not in a.known.saved and "c" not in b.known.saved)
        assert a.log.named("member forgotten")[0].fields["peer"] == "c"


async def test_a_dead_member_can_be_removed():
    """A machine that burnt down cannot say goodbye."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        for living in ("c", "a"):
            with pytest.raises(MemberNotDead):
                await a.cluster.remove_lost(NodeId(living))
        with pytest.raises(MemberUnknown):
            await a.cluster.remove_lost(NodeId("x"))
        await ships.kill(c)
        await until_status(ships, "c", Status.DEAD, a, b)
        await a.cluster.remove_lost(NodeId("c"))
        await until_status(ships, "c", None, a, b)
        assert len(a.statistics.members) == 1
        assert b.keepers() == ("a", "b")
        with pytest.raises(MemberUnknown):
            await a.cluster.remove_lost(NodeId("c"))


async def test_who_lost_all_others_for_good_has_a_cluster_of_one_by_force():
    """If this fails, the last node of a cluster never takes a write again."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR, durable_timeout_s=0.1)
        await ships.kill(b)
        await ships.kill(c)
        async with asyncio.timeout(PATIENCE_S):
            await a.until(lambda s: all(m.status is Status.DEAD for m in s.members))
        with pytest.raises(NotEnoughNodes):
            await a.cluster.ensure_copies([])
        with pytest.raises(NotDecided, match="missing: b, c"):
            await a.cluster.remove_lost(B)
        await a.cluster.generations.force([a.member.node])
        await a.cluster.ensure_copies([])
        await a.cluster.wait_durable(a.records.write("x"))


async def test_a_restarted_node_knows_everybody_without_seeds():
    """The seed may be gone by then."""
    async with fleet() as ships:
        a, _, c = await ships.trio(**FAST_DETECTOR)
        await ships.until(lambda: set(c.known.saved) == {"a", "b"})
        await ships.kill(c)
        dot = a.records.write("while it was away")
        c.config = replace(c.config, seeds=())
        ships.restart(c)
        async with asyncio.timeout(PATIENCE_S):
            await c.cluster.wait_joined()
        assert c.records.knows(dot)
        await c.until_connected("a", "b")


async def test_a_restarted_node_waits_for_the_living_but_not_for_ever():
    """It would answer from an old index, or never answer again."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        await ships.until(lambda: set(c.known.saved) == {"a", "b"})
        for engine in (a, b, c):
            await ships.kill(engine)
        c.known.saved["a"] = Rumour(a.member, Standing(Status.ALIVE, 1))
        c.known.saved["b"] = Rumour(b.member, Standing(Status.ALIVE, 1))
        c.config = replace(c.config, seeds=(), join_timeout_s=0.1)
        c.renew()
        assert not c.cluster.is_joined()
        ships.start(c)
        async with asyncio.timeout(PATIENCE_S):
            await c.cluster.wait_joined()
        assert c.log.named("joined without all seeds")[-1].fields["missing"] == ["a", "b"]


async def test_a_member_that_was_dead_before_the_restart_gets_one_attempt():
    """Every start would take the whole join timeout while a machine is away."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        await ships.kill(b)
        await until_status(ships, "b", Status.DEAD, a, c)
        await ships.until(lambda: c.known.saved["b"].standing.status is Status.DEAD)
        await ships.kill(c)
        c.config = replace(c.config, seeds=(), join_timeout_s=3600.0)
        ships.restart(c)
        async with asyncio.timeout(PATIENCE_S):
            await c.cluster.wait_joined()
        assert not c.log.named("joined without all seeds")


async def test_a_disk_that_refuses_members_stops_nothing():
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        a.known.broken = StorageFailure("no space left")
        await ships.kill(c)
        await until_status(ships, "c", Status.DEAD, a, b)
        await ships.until(lambda: bool(a.log.named("members not saved")))
        await a.until_connected("b")


async def test_a_rumour_cannot_move_a_node_that_answers():
    """Whoever took a name would take the traffic too."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        twin = a_member("c", host="elsewhere", epoch=99)
        rumour = Rumour(twin, Standing(Status.ALIVE, 99))
        for engine in (a, b, c):
            await engine.cluster.service.probe(ProbeRequest("test", NodeId("x"), rumours=(rumour,)))
        assert {m.rpc for m in a.statistics.members} == {"b:1", "c:1"}
        assert c.log.named("somebody else bears this name")[0].fields["address"] == "elsewhere:1"
        await ships.until(lambda: incarnation(a, "c") > 99 and incarnation(b, "c") > 99)
        assert {m.rpc for m in b.statistics.members} == {"a:1", "c:1"}


async def test_a_stranger_s_probe_is_refused():
    """An address that changed hands would mix two clusters."""
    async with fleet() as ships:
        a = ships.add("a")
        ships.start(a)
        with pytest.raises(WrongCluster):
            await a.cluster.service.probe(ProbeRequest("other", NodeId("x")))


async def test_probing_the_unknown_for_somebody_reaches_nobody():
    async with fleet() as ships:
        a = ships.add("a")
        ships.start(a)
        probe = a.cluster.service.probe
        assert not (await probe(ProbeRequest("test", NodeId("x"), NodeId("nobody")))).reached
        assert (await probe(ProbeRequest("test", NodeId("x"), NodeId("a")))).reached


def complaints(engine: Engine) -> list[str]:
    return [line.event for line in engine.log.lines if line.level in ("warning", "error")]


async def test_a_member_that_says_it_is_back_soon_is_neither_suspected_nor_complained_of():
    """Broken: each clean restart looks like a death in the logs of all others, and wakes people."""
    async with fleet() as ships:
        # Silence would be noticed within half a second.
        a, b, c = await ships.trio(**FAST_DETECTOR)
        for each in (a, b):
            each.log.lines.clear()
        await c.cluster.pause()
        # At once, so that nobody chooses it for copies or fetches from it.
        await a.until_connected("b")
        await b.until_connected("a")
        await ships.kill(c)
        stopped = [m.stopped for m in a.statistics.members if m.node == "c"]
        assert (stopped, status(a, "c")) == ([True], Status.ALIVE)
        probes = ships.network.count("probe")
        await ships.until(lambda: ships.network.count("probe") > probes + 20)
        assert status(a, "c") is status(b, "c") is Status.ALIVE
        ships.next_run(c)
        await a.until_connected("b", "c")
        await b.until_connected("a", "c")
        assert not any(m.stopped for m in a.statistics.members)
        for each in (a, b):
            assert complaints(each) == []
            assert len(each.log.named("member stops for a moment")) == 1
            totals = each.statistics.totals
            assert (totals.suspicions, totals.deaths) == (0, 0)


async def test_a_node_that_stops_does_not_wait_for_a_silent_member(monkeypatch):
    """Broken: one member that hangs keeps all others from being restarted."""
    monkeypatch.setattr(prober, "_PAUSE_LIMIT_S", 0.05)
    async with fleet() as ships:
        _, b, c = await ships.trio()
        ships.network.block(b.address, "probe")
        async with asyncio.timeout(PATIENCE_S):
            await c.cluster.pause()


async def test_who_is_not_back_in_time_is_found_as_anybody_else():
    """Broken: a node that never came back is waited for as if it lived."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR, back_soon_s=0.2)
        await c.cluster.pause()
        await ships.kill(c)
        await until_status(ships, "c", Status.DEAD, a, b)
        assert len(a.log.named("member dead")) == 1


async def test_a_goodbye_of_an_earlier_run_is_no_goodbye():
    """Broken: a message that was late hides the death of a node that has just started."""
    async with fleet() as ships:
        a, _, c = await ships.trio()
        late = ProbeRequest("test", NodeId("c"), ending=c.member.epoch)
        await ships.kill(c)
        await a.until_connected("b")
        ships.next_run(c)
        await a.until_connected("b", "c")
        await a.cluster.service.probe(late)
        assert a.connected() == {"b", "c"}
        assert a.log.named("member stops for a moment") == []


async def test_other_settings_of_a_member_are_noticed_until_they_are_the_same():
    """Broken: one node takes a push for durable with one copy, and nobody knows."""
    async with fleet() as ships:
        a, b = await ships.pair(settings={"copies": "2", "degraded_writes": "accept"})
        assert a.log.named("settings differ from a member's") == []
        await ships.kill(b)
        await a.until_connected()
        b.config = replace(b.config, settings={"copies": "1", "younger": "x"})
        ships.next_run(b)
        await a.until_connected("b")
        (line,) = a.log.named("settings differ from a member's")
        assert line.level == "warning"
        assert line.fields == {"peer": "b", "there": {"copies": "1"}, "here": {"copies": "2"}}
        (seen,) = a.statistics.members
        assert seen.settings_differing == {"copies": "1"}
        (seen,) = b.statistics.members
        assert seen.settings_differing == {"copies": "2"}
        await ships.kill(b)
        await a.until_connected()
        b.config = replace(b.config, settings={"copies": "2"})
        ships.next_run(b)
        await a.until_connected("b")
        (seen,) = a.statistics.members
        assert seen.settings_differing == {}
        assert len(a.log.named("settings are those of the member again")) == 1


async def test_who_does_not_answer_in_join_is_named_with_the_reason():
    """Broken: an operator with a typing error in `join` sees a node that is starting, for ever."""
    async with fleet() as ships:
        a = ships.add("a", seeds=("nobody:1", "b:1"))
        other = ships.add("b", cluster="another")
        ships.start(other)
        assert a.cluster.state.why(State.JOINING) is not None
        ships.start(a)
        await ships.until(lambda: "not asked yet" not in str(a.cluster.seeds_missing()))
        missing = a.cluster.seeds_missing()
        assert set(missing) == {"nobody:1", "b:1"}
        assert "this is cluster 'another', not 'test'" in missing["b:1"]
        told = a.cluster.state.why(State.JOINING)
        assert told is not None
        assert "nobody:1 in join does not answer" in told
