"""
Bugs of who may read, and of what counts as confirmed (`cluster.freshness`).

The rules themselves have more of them, in `tests/freshness`; these are in whole nodes. One that
something else hides there is that the word of an earlier run counts for the present one: a run
reads nothing before it has caught up with everybody, when it joins.
"""

from typing import Any, Final

import msgspec

from cluster.driver.acknowledger import Acknowledger
from cluster.driver.catchup import CatchUp
from cluster.driver.freshness import FreshnessDriver
from cluster.driver.reads import Reads
from cluster.driver.roll import Roll, disk_of
from cluster.freshness.continuity import OwnDisk
from tests.sim.mutants.mutant import Mutant

_confirmation = FreshnessDriver.confirmation


async def _as_if_covered(*_: Any, **__: Any) -> bool:
    return True


def _without_readers(self: FreshnessDriver, member: Any) -> Any:
    said = _confirmation(self, member)
    return None if said is None else msgspec.structs.replace(said, readers={})


def _majority_of_the_connected(self: Roll, disks: Any) -> bool:
    mine = {disk_of(self._me), *map(disk_of, self.connected())}
    quorum = {disk for each in self.quorums() for disk in each} & mine
    return 2 * len(quorum & {*disks}) > len(quorum)


MUTANTS: Final = [
    Mutant(
        "lease-unchecked",
        "a node answers from its own index whether it has leases or not",
        [(Reads, "ensure_current", _as_if_covered)],
    ),
    Mutant(
        "readers-not-named",
        "a member confirms without saying who may read by its word",
        [(FreshnessDriver, "confirmation", _without_readers)],
    ),
    Mutant(
        "copies-confirm",
        "who has an event counts as having confirmed it",
        [(Acknowledger, "_is_confirmed", lambda *_: True)],
    ),
    Mutant(
        "confirmed-by-the-connected",
        "a write is acknowledged by a majority of those that are connected",
        [(Roll, "is_majority", _majority_of_the_connected), (Roll, "quorums", lambda _: ())],
        frozenset({"half", "one_way", "region", "bridge"}),
    ),
    Mutant(
        "region-not-asked",
        "a read that no leases cover is answered without a round of the region",
        [(CatchUp, "_is_enough", lambda *_: True)],
    ),
    Mutant(
        "set-back-speaks",
        "a disk that was set back counts as one that forgot nothing",
        [(OwnDisk, "holds", lambda *_: True)],
        frozenset({"restore", "clone"}),
    ),
]
