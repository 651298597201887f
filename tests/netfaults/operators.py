"""Operators who change the layout, at whichever node answers, whatever else goes on."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import aiohttp

from tests.netfaults.violation import Violation

REST_S: Final = 1.0
"""Between two changes."""

_TIMEOUT_S: Final = 15.0
_AGREED_S: Final = 30.0


class Reached(Protocol):
    """A node, as far as operators are concerned."""

    @property
    def http(self) -> str: ...


class Place(Protocol):
    """Where they are at work."""

    @property
    def nodes(self) -> Mapping[str, Reached]: ...

    @property
    def rng(self) -> random.Random: ...

    changed: int
    """How many of their changes came about, by the answer that they got."""


async def change_layouts(place: Place) -> None:
    """Until cancelled, plan another weight for some member at some node, and have it applied."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            await asyncio.sleep(REST_S)
            by, node = place.rng.choice(list(place.nodes)), place.rng.choice(list(place.nodes))
            weight = place.rng.randrange(50, 200)
            try:
                change = {"change": "weight", "node": node, "weight": weight}
                planned = await _post(session, place.nodes[by], "plan", {"changes": [change]})
                wanted = {name: planned[name] for name in ("version", "fingerprint")}
                await _post(session, place.nodes[by], "apply", wanted)
            except (aiohttp.ClientError, TimeoutError, NotDone):
                continue  # No majority, another's change, a node that is away: the next one.
            place.changed += 1


async def disagreement(nodes: Mapping[str, Reached], now: Callable[[], float]) -> list[Violation]:
    """What is wrong with the layouts when all is over: they have to be one, and at rest."""
    until, seen = now() + _AGREED_S, dict[str, str]()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session:
        while now() < until:
            seen = {name: await _layout(session, node) for name, node in nodes.items()}
            if len({*seen.values()}) == 1 and not seen[min(seen)].endswith(_OPEN):
                return []
            await asyncio.sleep(0.2)
    return [Violation("layouts differ when all is over", (), f"{seen}")]


_OPEN: Final = ", and a change goes on"


class NotDone(Exception):
    """The answer was no."""


async def _post(
    session: aiohttp.ClientSession, node: Reached, what: str, document: object
) -> dict[str, Any]:
    url = f"http://{node.http}/atoll/v1/layout/{what}"
    async with session.post(url, json=document) as answer:
        if answer.status != 200:
            raise NotDone(await answer.text())
        told: dict[str, Any] = await answer.json()
        return told


async def _layout(session: aiohttp.ClientSession, node: Reached) -> str:
    try:
        async with session.get(f"http://{node.http}/atoll/v1/layout") as answer:
            told = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as exc:
        return repr(exc)
    version = f"{told['version']} {told['fingerprint']}"
    return version + _OPEN if told["change"] is not None else version
