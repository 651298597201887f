"""The limits of how often clients may ask; `node.http.limits` has them among the others."""

from typing import Final

from node import errors
from node.http.limit import Counts, Limit, Unit

ADDRESS_RATE: Final = Limit(
    # None by itself: behind a load balancer that nobody has named, all clients have one address.
    what="requests in a minute, but for who is on the node's own machine; 0: as many as they like",
    number=0,
    unit=Unit.COUNT,
    counts=Counts.ADDRESS,
    beyond="`Retry-After` says when. See below",
    error=errors.TooManyRequests,
    setting="address_rate",
    tests=(
        "unit/http/test_throttle.py::test_an_address_that_asks_too_often_is_told_when_to_come_again",
        "unit/shares/test_rates.py::test_nobody_gets_more_than_their_rate",
    ),
)

FORWARDED_HOPS: Final = Limit(
    what="addresses of `X-Forwarded-For` that are looked at, from its end",
    number=32,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="the last of them counts as the client",
    tests=("unit/http/test_client_address.py::test_a_long_field_is_not_read_to_its_beginning",),
)

ACCOUNT_RATE: Final = Limit(
    # Less than a node serves in a minute, and a burst of a build farm: one account does not take a
    # node from all others for hours.
    what="requests in a minute, from wherever",
    number=120_000,
    unit=Unit.COUNT,
    counts=Counts.ACCOUNT,
    beyond="likewise",
    error=errors.TooManyRequests,
    setting="account_rate",
    tests=("unit/http/test_throttle.py::test_an_account_is_counted_wherever_it_is",),
)

ANONYMOUS_PULLS: Final = Limit(
    # How much of a public project a stranger may have is for who pays for it to say.
    what="manifests pulled in 6 h without an account; 0: as many as they like",
    number=0,
    unit=Unit.COUNT,
    counts=Counts.ADDRESS,
    beyond="HEAD is not counted; `RateLimit-Limit` and `RateLimit-Remaining` tell",
    error=errors.TooManyRequests,
    setting="anonymous_pulls",
    tests=("unit/http/test_throttle.py::test_strangers_pull_so_many_manifests",),
)
