"""What identity needs from storage and from the cluster."""

from collections.abc import Sequence
from typing import Protocol

from cluster.objects import Version
from node.registry.values import Page


class SecurityStore(Protocol):
    """Settings with all their heads. Reads are immediate; they raise `StorageFailure`."""

    @property
    def settings_word(self) -> int:
        """Another number after each change of any setting, from whichever side it came."""
        ...

    def setting_heads(self, kind: str, name: str) -> Sequence[Version]:
        """The versions of a setting that no other replaces; their values are JSON text."""
        ...

    def settings(self, kind: str, last: str, limit: int) -> Page:
        """Names of the settings of a kind behind *last*."""
        ...


class Authority(Protocol):
    """Whether this node hears enough of its cluster to hand out anything."""

    def apart_s(self) -> float:
        """For how long it has not been connected with a majority of the control log's voters."""
        ...


class Knowledge(Protocol):
    """Asking others for what is not here."""

    async def ensure_current(self, *, patient: bool = False) -> bool:
        """See `node.registry.ports.Gate.ensure_current`."""
        ...

    async def catch_up(self, *, near: bool = False) -> None:
        """See `node.registry.ports.Gate.catch_up`."""
        ...
