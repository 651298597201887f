"""Messages of a stream that a partition holds back, or that are lost."""

import asyncio

from tests.sim.calls import _InOrder
from tests.sim.loop import SimLoop
from tests.sim.network import KEEPALIVE_S, Network

PAIR = ("a:1", "b:1")


def sent(held_s: float, *, lost: bool = False) -> list[int]:
    """What arrives of four messages, the second of which meets a fault."""
    loop = SimLoop()
    network = Network(loop, "1")
    stream, arrived = _InOrder(network, *PAIR), []

    def send(number: int) -> None:
        stream.send(lambda: arrived.append(number))

    async def main() -> None:
        send(1)
        if lost:
            network.weather.loss = 1.0
        else:
            network.cut([PAIR])
        send(2)
        send(3)
        await asyncio.sleep(held_s)
        if lost:
            network.weather.loss = 0.0
        else:
            network.mend([PAIR])
        send(4)
        await asyncio.sleep(5.0)

    loop.run(main())
    return arrived


def test_what_a_short_partition_holds_back_arrives_in_order():
    """Broken: a stream that survived a partition swallows all that is sent later."""
    assert sent(KEEPALIVE_S / 2) == [1, 2, 3, 4]


def test_nothing_arrives_behind_what_does_not():
    """Broken: a stream has a gap, which TCP never shows."""
    assert sent(KEEPALIVE_S + 1.0) == [1]
    assert sent(1.0, lost=True) == [1]
