"""
The network between simulated nodes; `calls` are what travels on it.

Each request, answer and stream item is a message that takes time and may meet a fault. What a
caller sees follows gRPC over TCP: a dead process refuses at once, silence is noticed by the
keepalive after 15 s, a lost call hangs until the deadline, items of one stream stay in order, and
what a short partition holds back arrives after it.
"""

import random
import zlib
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.driver.service import Service
from tests.sim.loop import Process, SimLoop

if TYPE_CHECKING:
    from tests.sim.calls import Call

LAN_S: Final = 0.0003
WAN_S: Final = 0.040
JITTER: Final = 0.3
"""Latency is even over [1, 1 + JITTER] times the base."""

FAR_S: Final = 2 * WAN_S * (1 + JITTER)
"""The longest round trip while nothing is wrong."""

KEEPALIVE_S: Final = 15.0
"""Silence after which a connection is closed (`RpcConfig.keepalive_*`)."""

REORDER_MAX_S: Final = 0.5


class Endpoint(NamedTuple):
    """Who answers at an address."""

    process: Process
    region: str
    service: Service


@dataclass
class Weather:
    """What the network does to every message now; rates are 0..1, delays seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    delay_s: float = 0.0


class Network:
    """Carries calls by address. Faults are set from outside; every choice comes from the seed."""

    def __init__(self, loop: SimLoop, seed: str) -> None:
        self.loop = loop
        self.weather = Weather()
        self.endpoints: dict[str, Endpoint] = {}
        self.regions: dict[str, str] = {}
        self.dark: set[str] = set()
        """Addresses of machines without power: they do not even refuse."""
        self.bugs: list[str] = []
        self.crc = 0
        self.messages = 0
        self._rng = random.Random(f"network {seed}")
        self._context = Context()
        self._cut: dict[tuple[str, str], int] = {}
        self._held: dict[tuple[str, str], list[tuple[float, Callable[[], None]]]] = {}
        self._open: dict[int, Call] = {}
        self._calls = 0

    # --- the edge to the engine ------------------------------------------------------------------

    def listen(self, address: str, region: str, process: Process, service: Service) -> None:
        self.endpoints[address] = Endpoint(process, region, service)
        self.regions[address] = region
        self.dark.discard(address)

    def refuses(self, address: str) -> None:
        """Note that nobody listens at *address* any more: calls under way break."""
        endpoint = self.endpoints.pop(address, None)
        if endpoint is None:
            return
        for call in list(self._open.values()):
            if call.callee_process is endpoint.process:
                self.send(call.callee, call.caller, call.reset)
            elif call.caller_process is endpoint.process:
                self.send(call.caller, call.callee, call.cancel_here)

    def goes_dark(self, address: str) -> None:
        """Note that the machine at *address* has no power: nobody says anything any more."""
        self.dark.add(address)
        endpoint = self.endpoints.pop(address, None)
        if endpoint is not None:
            self.suspect(
                lambda call: endpoint.process in (call.caller_process, call.callee_process)
            )

    # --- faults ----------------------------------------------------------------------------------

    def cut(self, pairs: list[tuple[str, str]]) -> None:
        """Stop messages in these directions; cuts of one direction add up."""
        for pair in pairs:
            self._cut[pair] = self._cut.get(pair, 0) + 1
        gone = set(pairs)
        self.suspect(lambda c: (c.caller, c.callee) in gone or (c.callee, c.caller) in gone)

    def mend(self, pairs: list[tuple[str, str]]) -> None:
        """Take back one `cut`; TCP sends again what it held back for less than a keepalive."""
        for pair in pairs:
            left = self._cut.get(pair, 0) - 1
            if left > 0:
                self._cut[pair] = left
                continue
            self._cut.pop(pair, None)
            for until, deliver in self._held.pop(pair, []):
                if until > self.loop.time():
                    self._later(0.2 * self._rng.random(), deliver)

    def is_open(self, a: str, b: str) -> bool:
        """Whether messages pass both ways."""
        return not self._cut or ((a, b) not in self._cut and (b, a) not in self._cut)

    def suspect(self, concerned: Callable[["Call"], bool]) -> None:
        """Let the keepalive look after these calls: the path may have fallen silent."""
        for call in list(self._open.values()):
            if concerned(call):
                self._later(KEEPALIVE_S, call.fail_if_silent)

    # --- messages --------------------------------------------------------------------------------

    def send(
        self, source: str, target: str, deliver: Callable[[], None], not_before: float = 0.0
    ) -> float | None:
        """Bring one message over; returns its time of arrival, None when it does not arrive."""
        self.messages += 1
        pair = (source, target)
        now = self.loop.time()
        if self._cut and pair in self._cut:
            self._held.setdefault(pair, []).append((now + KEEPALIVE_S, deliver))
            return None
        rng, weather = self._rng, self.weather
        near = self.regions.get(source) == self.regions.get(target)
        delay_s = (LAN_S if near else WAN_S) * (1 + JITTER * rng.random())
        if weather.loss and rng.random() < weather.loss:
            return None
        if weather.delay_s:
            delay_s += weather.delay_s * rng.random()
        if weather.reordering and rng.random() < weather.reordering:
            delay_s += REORDER_MAX_S * rng.random()
        at = max(now + delay_s, not_before)
        self.loop.call_at(at, deliver, context=self._context)
        return at

    def twice(self) -> bool:
        rate = self.weather.duplication
        return bool(rate) and self._rng.random() < rate

    def trace(self, *what: object) -> None:
        """Make the trace's checksum depend on *what* happened now."""
        self.crc = zlib.crc32(f"{self.loop.time():.7f}{what}".encode(), self.crc)

    def _later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.loop.call_later(delay_s, callback, context=self._context)

    def open(self, call: "Call") -> None:
        self._calls += 1
        call.number = self._calls
        self._open[call.number] = call

    def close(self, call: "Call") -> None:
        self._open.pop(call.number, None)
