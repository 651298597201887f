"""What was planned at this node, and can still be brought about. Pure."""

from collections.abc import Sequence
from typing import Final

from cluster.layout.document import Layout, fingerprint
from cluster.layout.transition import Live

PLANS_MAX: Final = 16
"""Plans that are kept until one of them is applied; the oldest are forgotten."""


class Plans:
    """Several people may plan at one node: each plan goes by its fingerprint."""

    def __init__(self) -> None:
        self._plans: dict[str, Live] = {}

    def keep(self, planned: Live) -> Layout:
        """Take it in; returns the version that it makes."""
        name = fingerprint(planned.newest)
        self._plans.pop(name, None)
        self._plans[name] = planned
        while len(self._plans) > PLANS_MAX:
            del self._plans[next(iter(self._plans))]
        return planned.newest

    def named(self, version: int, name: str) -> Live | None:
        """The one that makes *version*, by its fingerprint."""
        found = self._plans.get(name)
        return None if found is None or found.newest.version != version else found

    def following(self, live: Live) -> Sequence[Live]:
        """Those that can come next, the latest last."""
        return [plan for plan in self._plans.values() if follows(live, plan)]


def follows(live: Live, planned: Live) -> bool:
    """Whether *planned* can come next."""
    return not live.stage.joint and planned.oldest == live.newest
