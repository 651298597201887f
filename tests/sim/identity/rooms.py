"""The rooms of one simulated process: accounts, tokens, the door, and the watch over the voters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from cluster.agent import Cluster
from cluster.errors import StorageFailure
from node.errors import NameUnknown
from node.http.guard import Doorkeeper
from node.http.public_url import PublicUrl
from node.http.routing import Target
from node.identity.actions import Action, Verb
from node.identity.authority import VoterWatch
from node.identity.errors import AccessDenied, Unauthenticated
from node.identity.passwords import Passwords
from node.identity.service import Identity, IdentityConfig
from node.identity.signatures import OwnKey
from node.index.metadata import Metadata
from node.registry.names import RepositoryName
from node.registry.ports import Gate
from tests.sim.disk import Disk

ACTIONS: Final = {
    "pull": Action.MANIFEST_READ,
    "push": Action.MANIFEST_WRITE,
    "delete": Action.MANIFEST_DELETE,
}
"""What clients do, by the verb that a token has to have."""

VERBS: Final = {"pull": Verb.PULL, "push": Verb.PUSH, "delete": Verb.DELETE}


class DiskKeys:
    """`KeyStore` on a simulated disk: a copy of it has them, and an empty one has none."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load(self) -> Sequence[OwnKey]:
        self._disk.check()
        return self._disk.keys

    def save(self, keys: Sequence[OwnKey]) -> None:
        self._disk.check()
        if self._disk.full or self._disk.sync_fails:
            raise StorageFailure("simulated failure of the key file")
        self._disk.keys = tuple(keys)


class PlainHasher(PasswordHasher):
    """Hashes that cost nothing: what argon2id is worth is no question of a simulation."""

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        return f"plain {password!s}"

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:
        if hash != self.hash(password):
            raise VerifyMismatchError
        return True


class SeededSecrets:
    """What the module `secrets` gives, of a seed: names of documents have to be the same again."""

    def __init__(self, seed: str) -> None:
        self._random = Random(f"secrets {seed}")

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def token_hex(self, count: int) -> str:
        return self.token_bytes(count).hex()

    def token_urlsafe(self, count: int) -> str:
        # As long as the real one's, and of its characters.
        return self.token_bytes(-(-count * 4 // 6)).hex()[: -(-count * 4 // 3)]


class Request(dict[Any, Any]):
    """What the door reads of a request, and what it notes in it."""

    def __init__(self, headers: dict[str, str]):
        super().__init__()
        self.headers = headers


@dataclass
class Rooms:
    """What a process knows of who may do what."""

    identity: Identity
    voters: VoterWatch
    door: Doorkeeper
    majority_at: float = -math.inf
    """When most voters could be reached last from here, by the network and not by its word."""

    async def admits(self, token: str, verb: str, repository: str) -> bool:
        """Whether the door lets in who sends *token* (empty: a stranger) with such a request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        http: Any = Request(headers)
        endpoint: Any = SimpleNamespace(action=ACTIONS[verb], is_page=False)
        try:
            await self.door.admit(http, Target(endpoint, RepositoryName(repository), ""))
        except (Unauthenticated, AccessDenied, NameUnknown):
            return False
        return True


def rooms_of(
    node: str, bounds: dict[str, float], disk: Disk, metadata: Metadata, gate: Gate,
    cluster: Cluster, wall: Any, log: Any,
) -> Rooms:  # fmt: skip
    """As `node.assembly.accounts` joins them, with the *bounds* that the plan has."""

    def now() -> float:
        seconds: float = wall.now_ms() / 1000
        return seconds

    voters = VoterWatch(cluster.layouts.voters, wall.now_s)
    config = IdentityConfig(node=node, cluster="sim", operator="", **bounds)
    identity = Identity.over(
        metadata, metadata, metadata, gate, voters, DiskKeys(disk), now, log, config,
        Passwords(hasher=PlainHasher()),
    )  # fmt: skip
    return Rooms(identity, voters, Doorkeeper(identity, PublicUrl("http://sim"), now))
