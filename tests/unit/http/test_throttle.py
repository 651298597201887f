"""How often clients may ask, at the edge: who is counted, as whom, and what they are told."""

from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from node.edge import ENDPOINTS
from node.errors import TooManyRequests
from node.http.client_address import CLIENT, TrustedProxies
from node.http.endpoint import ANONYMOUS, Endpoint, Principal
from node.http.throttle import _CREDITS_MAX, RateConfig, RateThrottle
from node.identity.actions import Action
from node.registry.access import UNRESTRICTED
from node.shares.rates import Rate

OF: dict[Action, Endpoint[Any]] = {endpoint.action: endpoint for endpoint in ENDPOINTS}
PROXY, MEMBER = "10.0.0.1", "192.0.2.9"
ANN, BOB = (Principal(name, UNRESTRICTED) for name in ("ann", "bob"))


class Around:
    """The nodes around, and one of their addresses."""

    def __init__(self, sharers: int) -> None:
        self._sharers = sharers

    def sharers(self) -> int:
        return self._sharers

    def addresses(self) -> set[str]:
        return {MEMBER}


class World:
    """A throttle with a clock, as requests meet it."""

    def __init__(self, sharers: int = 1, **rates: Rate) -> None:
        self.now = 1000.0
        self.proxies = TrustedProxies([ip_network("10.0.0.0/8")], lambda: {MEMBER})
        self.throttle = RateThrottle(RateConfig(**rates), Around(sharers), lambda: self.now)

    def ask(
        self,
        client: str,
        action: Action = Action.MANIFEST_READ,
        *,
        method: str = "GET",
        behind: str = "",
        who: Principal = ANONYMOUS,
    ) -> dict[str, str]:
        """Send a request from *client*, through the proxy *behind*; returns the fields."""
        fields = {"X-Forwarded-For": client} if behind else {}
        http = make_mocked_request(method, "/", fields).clone(remote=behind or client)
        http[CLIENT] = self.proxies.client(http)
        self.throttle.arrive(http, OF[action])
        return dict(self.throttle.admit(http, OF[action], who))

    def granted(self, most: int, client: str, *args: Action, **how: Any) -> int:
        """How many of *most* requests are let in."""
        count = 0
        for _ in range(most):
            try:
                self.ask(client, *args, **how)
            except TooManyRequests:
                continue
            count += 1
        return count


def test_an_address_that_asks_too_often_is_told_when_to_come_again():
    world = World(address=Rate(6, 60.0))
    assert world.granted(6, "203.0.113.7", Action.BLOB_READ) == 6
    with pytest.raises(TooManyRequests, match="at most 6 requests of one address in 60 s") as told:
        world.ask("203.0.113.7", Action.BLOB_READ)
    assert told.value.wait_s == pytest.approx(10.0)
    assert dict(told.value.fields) == {}
    assert world.granted(1, "203.0.113.8") == 1, "others go on"
    world.now += 10.0
    assert world.granted(2, "203.0.113.7") == 1
    assert world.throttle.refused == {"address": 2}


def test_clients_behind_a_proxy_are_told_apart():
    """Broken: a load balancer is throttled, and with it everybody."""
    world = World(address=Rate(3, 60.0))
    assert world.granted(9, "203.0.113.7", behind=PROXY) == 3
    assert world.granted(9, "203.0.113.8", behind=PROXY) == 3
    assert world.granted(9, "203.0.113.9", behind=MEMBER) == 3
    assert world.granted(9, "203.0.113.9") == 0, "the same client, wherever it comes in"
    assert world.granted(9, "198.51.100.1", behind="203.0.113.66") == 3
    assert world.granted(9, "198.51.100.2", behind="203.0.113.66") == 0, "a stranger's word"


def test_one_ipv6_client_is_one():
    world = World(address=Rate(3, 60.0))
    assert sum(world.granted(1, f"2001:db8::{host:x}") for host in range(100)) == 3
    assert world.granted(9, "2001:db8:0:1::1") == 3


@pytest.mark.parametrize(
    ("client", "action"),
    [
        ("127.0.0.1", Action.BLOB_READ),
        ("::1", Action.MANIFEST_READ),
        (MEMBER, Action.UPLOAD_APPEND),
        ("203.0.113.7", Action.READY),
        ("203.0.113.7", Action.ALIVE),
        ("", Action.MANIFEST_READ),
    ],
)
def test_who_is_not_counted(client: str, action: Action):
    """Broken: a node is taken out by its balancer, or an upload is cut on its way to its owner."""
    world = World(address=Rate(1, 60.0), pulls=Rate(1, 60.0))
    assert world.granted(20, client, action) == 20


def test_an_account_is_counted_wherever_it_is():
    world = World(account=Rate(4, 60.0))
    counts = [world.granted(1, f"203.0.113.{host}", who=ANN) for host in range(9)]
    assert sum(counts) == 4
    assert world.granted(4, "127.0.0.1", who=BOB) == 4
    assert world.granted(1, "127.0.0.1", who=ANN) == 0
    assert world.throttle.refused["account"] == 6


def test_strangers_pull_so_many_manifests():
    world = World(pulls=Rate(2, 21_600.0))
    me = "203.0.113.7"
    assert world.ask(me, method="HEAD")["RateLimit-Remaining"] == "2;w=21600"
    told = world.ask(me)
    assert told == {"RateLimit-Limit": "2;w=21600", "RateLimit-Remaining": "1;w=21600"}
    assert world.granted(5, me, method="HEAD") == 5, "looking is free"
    assert world.ask(me)["RateLimit-Remaining"] == "0;w=21600"
    with pytest.raises(TooManyRequests) as refused:
        world.ask(me)
    assert refused.value.wait_s == pytest.approx(10_800.0)
    assert dict(refused.value.fields) == {
        "RateLimit-Limit": "2;w=21600",
        "RateLimit-Remaining": "0;w=21600",
    }
    assert world.ask(me, method="HEAD")["RateLimit-Remaining"] == "0;w=21600"
    assert world.ask(me, who=ANN) == {}, "who says who they are pulls on"
    assert world.granted(5, me, Action.BLOB_READ) == 5


def test_three_nodes_of_a_region_give_a_client_the_rate_once():
    """The bound across nodes, for who is sent to each of them in turn, and for who stays at one."""
    nodes = [World(sharers=3, pulls=Rate(30, 60.0)) for _ in range(3)]
    assert sum(nodes[turn % 3].granted(1, "203.0.113.7") for turn in range(90)) == 30
    assert nodes[0].granted(90, "203.0.113.8") == 10


def test_without_rates_nobody_is_counted():
    world = World()
    assert world.granted(1000, "203.0.113.7") == 1000
    assert world.ask("203.0.113.7") == {}


def test_what_is_answered_from_memory_counts_for_its_account():
    """Broken: an account that repeats itself is not counted, and takes a node from all others."""
    world = World(account=Rate(4, 60.0))
    assert [world.throttle.again("ann") for _ in range(6)] == [True] * 4 + [False] * 2
    assert world.granted(1, "203.0.113.7", who=ANN) == 0, "the handler refuses it"
    assert world.throttle.again(""), "strangers have no account"


def test_answers_from_memory_are_counted_some_at_a_time():
    """Broken: counting takes longer than answering; or an account gets more than its rate."""
    world = World(account=Rate(20_001, 60.0))
    assert sum(world.throttle.again("ann") for _ in range(30_000)) == 20_000
    assert world.granted(9, "203.0.113.7", who=ANN) == 1, "what is left goes one by one"
    assert world.throttle.again("bob"), "others go on"
    world.now += 60.0 * 2 / 20_001
    assert sum(world.throttle.again("ann") for _ in range(9)) == 2


def test_credits_of_many_accounts_are_forgotten():
    world = World(account=Rate(40_000, 60.0))
    for number in range(3 * _CREDITS_MAX):
        assert world.throttle.again(f"robot-{number}")
    assert len(world.throttle._credits) <= _CREDITS_MAX
    assert not world.throttle.asks_whence
    assert World(address=Rate(4, 60.0)).throttle.asks_whence, "then nothing is remembered"
