"""What clients are told that ask too often."""

import asyncio
from ipaddress import ip_network

from cluster.model import Region
from node.http.client_address import TrustedProxies
from node.http.throttle import RateConfig, RateThrottle
from node.shares.rates import Rate
from node.shares.vicinity import Vicinity
from tests.api.conftest import Registry, StartRegistry

PATH = "/v2/lib/app/manifests/v1"


async def throttled(start_registry: StartRegistry, **rates: Rate) -> Registry:
    """A registry behind a proxy on this machine."""
    loop = asyncio.get_running_loop()
    proxies = TrustedProxies([ip_network("127.0.0.0/8")])
    alone = Vicinity(Region("eu"), lambda: ())
    throttle = RateThrottle(RateConfig(**rates), alone, loop.time)
    registry = await start_registry(throttle=throttle, proxies=proxies)
    await registry.push_image("lib/app", "v1")
    return registry


async def test_strangers_are_told_how_many_manifests_are_left(start_registry: StartRegistry):
    registry = await throttled(start_registry, pulls=Rate(2, 21_600.0))
    me = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
    looked = await registry.call("HEAD", PATH, headers=me)
    assert looked.headers["RateLimit-Remaining"] == "2;w=21600"
    pulled = [await registry.call("GET", PATH, headers=me) for _ in range(3)]
    assert [answer.status for answer in pulled] == [200, 200, 429]
    assert pulled[0].headers["RateLimit-Limit"] == "2;w=21600"
    assert [answer.headers["RateLimit-Remaining"] for answer in pulled] == [
        "1;w=21600",
        "0;w=21600",
        "0;w=21600",
    ]
    refused = pulled[2]
    assert refused.codes == ["TOOMANYREQUESTS"]
    assert 10_000 < int(refused.headers["Retry-After"]) <= 10_800
    unchanged = {**me, "If-None-Match": pulled[0].headers["ETag"]}
    assert (await registry.call("GET", PATH, headers=unchanged)).status == 429
    other = await registry.call("GET", PATH, headers={"X-Forwarded-For": "203.0.113.8"})
    assert other.status == 200
    assert "RateLimit-Limit" not in (await registry.call("GET", PATH)).headers, "not counted here"


async def test_who_asks_too_often_is_refused_before_anything_is_done(
    start_registry: StartRegistry,
):
    registry = await throttled(start_registry, address=Rate(3, 60.0))
    assert registry.server._api.remembered is None, "what is answered from memory is not counted"
    me = {"X-Forwarded-For": "203.0.113.7"}
    paths = ["/v2/", "/v2/lib/app/tags/list", PATH, "/v2/", "/v2/lib/app/blobs/uploads/"]
    answers = [await registry.call("GET", path, headers=me) for path in paths[:4]]
    answers.append(await registry.call("POST", paths[4], headers=me))
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[3].headers["Retry-After"] == "20"
    assert "RateLimit-Limit" not in answers[3].headers
    assert registry.uploads.open_count == 0
    assert (await registry.call("GET", "/healthz", headers=me)).status == 200
