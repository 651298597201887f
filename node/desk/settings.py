"""The settings: what holds in the whole cluster, and what one node was started with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from cluster import ClusterStatistics
from cluster.errors import NotDecided
from cluster.layout import COPIES_MAX, MEMBERS_MAX, DegradedWrites, Live
from cluster.layout import Settings as LayoutSettings

REGIONS_MAX: Final = MEMBERS_MAX
"""The most of `regions_min` that the layout takes: a region has a member."""

SettingValue = str | int | float | list[str] | None

SettingSource = Literal["default", "file", "env", "flag"]


class OwnSetting(msgspec.Struct, frozen=True):
    """One setting of a node. None of them is a secret."""

    name: str
    """As the file has it."""

    value: SettingValue
    """What is in force; null: nothing was given, and `default` says what comes of it."""

    source: SettingSource
    """Who gave it: a flag wins over the environment, which wins over the file."""

    where: str
    """The flag, the variable or the file, by its path at the node; empty for the default."""

    default: str
    """What holds where nobody gives it, in words."""

    unit: str
    """Of the value; empty where it has none."""

    accepts: str
    """What may be given."""

    doc: str
    """What it is."""

    flag: str
    """Its flag of `atoll serve`."""

    env: str
    """Its variable."""

    shared: bool
    """Whether it has to be the same on every node."""

    founding: bool = False
    """Whether it counts when the cluster begins, and the layout's setting of the same name since:
    see `cluster`."""

    elsewhere: Mapping[str, str] = {}
    """Node -> its value, of the members that are connected and have another one of what has to be
    the same."""


class ClusterSetting(msgspec.Struct, frozen=True):
    """One setting of the whole cluster: it is in the layout, and the same on every node."""

    name: str
    """As the layout has it."""

    value: int | str
    """What holds."""

    accepts: str
    """What it may be."""

    doc: str
    """What it is."""

    command: str
    """Plans another value: nothing changes until the plan is applied."""


class SettingsDocument(msgspec.Struct, frozen=True):
    """All settings, as one node has them."""

    node: str
    """Who was asked."""

    version: int | None
    """That of the layout; null while there is none, and nothing in `cluster`."""

    cluster: Sequence[ClusterSetting]
    """Those of the whole cluster."""

    settings: Sequence[OwnSetting]
    """Those of the node: changed where they were given, at the next start of the node."""


_FOUNDING: Final = frozenset(LayoutSettings.__struct_fields__)

_OF_CLUSTER: Final[Mapping[str, tuple[str, str]]] = {
    "copies": (f"1 to {COPIES_MAX}", "Nodes that have what is pushed before it is acknowledged."),
    "regions_min": (f"1 to {REGIONS_MAX}", "Regions that keep each blob in the end."),
    "degraded_writes": (
        ", ".join(DegradedWrites),
        "Whether a cluster of no more stores than `copies` takes writes while one is away.",
    ),
}
"""What each may be, and what it is."""


class SettingsDesk:
    """Tells of a node's *own* settings, which last as long as the process, and of the layout's."""

    def __init__(
        self,
        own: Sequence[OwnSetting],
        statistics: Callable[[], ClusterStatistics],
        live: Callable[[], Live],
    ) -> None:
        """*live* raises `NotDecided` while there is no layout, or none that can be read."""
        self._own = own
        self._statistics = statistics
        self._live = live

    def look(self) -> SettingsDocument:
        """All of them, from memory."""
        statistics, layout = self._statistics(), self._layout()
        elsewhere: dict[str, dict[str, str]] = {}
        for member in statistics.members:
            for name, value in member.settings_differing.items():
                elsewhere.setdefault(name, {})[member.node] = value
        own = [
            msgspec.structs.replace(
                each,
                founding=each.name in _FOUNDING,
                elsewhere=elsewhere.get(each.name, {}),
            )
            for each in self._own
        ]
        version, settings = (None, None) if layout is None else layout
        return SettingsDocument(
            statistics.node, version, [] if settings is None else list(_of_cluster(settings)), own
        )

    def _layout(self) -> tuple[int, LayoutSettings] | None:
        try:
            layout = self._live().newest
        except NotDecided:
            return None
        return layout.version, layout.settings


def _of_cluster(settings: LayoutSettings) -> Iterator[ClusterSetting]:
    for name, (accepts, doc) in _OF_CLUSTER.items():
        value = getattr(settings, name)
        command = f"atoll layout plan --{name.replace('_', '-')} {value}"
        yield ClusterSetting(name, value, accepts, doc, command)
