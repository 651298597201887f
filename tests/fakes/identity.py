"""What identity needs beside an index."""

from collections.abc import Sequence
from typing import Final

from argon2 import PasswordHasher

from node.identity.passwords import Passwords
from node.identity.service import Identity, IdentityConfig
from node.identity.signatures import OwnKey
from node.index.metadata import Metadata
from node.logs import get_logger
from node.registry.ports import Gate

OPERATOR_SECRET: Final = "the-secret-of-the-operator-of-this-node"


class MemoryKeys:
    """A `KeyStore` without a disk."""

    def __init__(self) -> None:
        self.keys: list[OwnKey] = []

    def load(self) -> Sequence[OwnKey]:
        return self.keys

    def save(self, keys: Sequence[OwnKey]) -> None:
        self.keys = list(keys)


class NearMajority:
    """An `Authority` that a test may take away."""

    def __init__(self) -> None:
        self.apart = 0.0

    def apart_s(self) -> float:
        return self.apart


class Time:
    """A clock in seconds, which a test moves on."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def identity_over(
    metadata: Metadata,
    gate: Gate,
    *,
    node: str = "solo",
    cluster: str = "atoll",
    authority: NearMajority | None = None,
    keys: MemoryKeys | None = None,
    time: Time | None = None,
) -> Identity:
    """The identity of a node, over its index."""
    return Identity.over(
        metadata,
        metadata,
        metadata,
        gate,
        authority or NearMajority(),
        keys or MemoryKeys(),
        time or Time(),
        get_logger("identity"),
        IdentityConfig(
            node=node,
            cluster=cluster,
            token_life_s=300.0,
            login_cutoff_s=3600.0,
            operator=OPERATOR_SECRET,
        ),
        Passwords(hasher=PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)),
    )
