"""What a decision costs: one round trip to the voters, and two syncs (docs/control-log.md)."""

import asyncio
from collections.abc import Mapping

import pytest

from cluster.control.coordinator import Decided
from cluster.control.values import COMMANDS_MAX, Setting
from tests.fakes.control_store import MemoryControl
from tests.fakes.fleet import Engine, Fleet, fleet
from tests.fakes.network import MemoryPeer

WAY_S = 0.05
SYNC_S = 0.02


async def decide(engine: Engine, commands: tuple[Setting, ...]) -> float:
    """Have *engine* bring *commands* to a decision; returns how long it took."""
    control, loop = engine.decides, asyncio.get_running_loop()
    begun = loop.time()
    outcome = await control.propose(control.state.next, commands, timeout=10.0)
    assert isinstance(outcome, Decided), outcome
    return loop.time() - begun


async def settled(ships: Fleet) -> None:
    """Return once everybody has all slots."""
    await ships.until(lambda: len({e.decides.state.slot for e in ships.engines.values()}) == 1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links and disks that take their time, and all of it."""
    tell, save = MemoryPeer.tell, MemoryControl.save

    async def tell_slowly(self: MemoryPeer, letter: bytes) -> None:
        await asyncio.sleep(WAY_S)
        await tell(self, letter)

    async def save_slowly(self: MemoryControl, acceptor: bytes, slots: Mapping[int, bytes]) -> None:
        await asyncio.sleep(SYNC_S)
        await save(self, acceptor, slots)

    monkeypatch.setattr(MemoryPeer, "tell", tell_slowly)
    monkeypatch.setattr(MemoryControl, "save", save_slowly)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("count", [1, COMMANDS_MAX])
async def test_a_slot_takes_one_round_trip_and_two_syncs_however_much_is_in_it(count: int):
    """Virtual time: what is not counted here takes none."""
    async with fleet() as ships:
        a, _, _ = await ships.trio()
        await decide(a, (Setting("first", "phase 1 is done with it"),))
        await settled(ships)
        await asyncio.sleep(3.0)  # nobody is behind, and nothing is on its way
        commands = tuple(Setting(f"name-{number}", "value") for number in range(count))
        took_s = await decide(a, commands)
        assert took_s == pytest.approx(2 * WAY_S + 2 * SYNC_S, abs=1e-3)
        await settled(ships)
        for engine in ships.engines.values():
            assert len(engine.decides.state.settings) == 1 + count
