"""For which platform an image is that is in no index: its configuration says it."""

from collections import OrderedDict
from time import perf_counter
from typing import Final

import msgspec

from cluster.errors import StorageFailure
from cluster.model import Digest
from node.desk.outlines import well_formed_platform
from node.registry.ports import LocalBlobs

REMEMBERED_MAX: Final = 10_000
"""Configurations of which the platform is remembered, some 200 bytes each."""

CONFIG_BYTES_MAX: Final = 256 << 10
"""Of a configuration that is read. Those of images have some 10 KiB."""

READING_S: Final = 0.04
"""How long configurations are read for one page; the platforms of the rest are not known then."""


class _Config(msgspec.Struct, gc=False):
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None


_CONFIG: Final = msgspec.json.Decoder(_Config)


class Budget:
    """How long one page may still read."""

    def __init__(self) -> None:
        self._left = READING_S

    @property
    def is_spent(self) -> bool:
        return self._left <= 0

    def spend(self, seconds: float) -> None:
        self._left -= seconds


class Platforms:
    """Platforms by the configurations that are on this node. Belongs to one event loop."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs
        self._known: OrderedDict[str, str] = OrderedDict()

    async def of(self, config: Digest, budget: Budget) -> str | None:
        """What the configuration says, empty if that is nothing; None: it cannot be read now."""
        found = self._known.get(config)
        if found is not None:
            self._known.move_to_end(config)
            return found
        if budget.is_spent:
            return None
        begun = perf_counter()
        text = await self._read(config)
        budget.spend(perf_counter() - begun)
        if text is None:
            return None
        found = self._known[config] = _platform_in(text)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return found

    async def _read(self, config: Digest) -> bytes | None:
        """Its bytes, none if there are too many; None: it is not here."""
        try:
            blob = await self._blobs.serve(config, whole=True)
            if blob is None:
                return None
            try:
                return b"" if blob.size > CONFIG_BYTES_MAX else await blob.read(0, blob.size)
            finally:
                blob.close()
        except StorageFailure:
            return None  # whoever pulls it is told


def _platform_in(text: bytes) -> str:
    try:
        config = _CONFIG.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return well_formed_platform(config.os, config.architecture, config.variant)
