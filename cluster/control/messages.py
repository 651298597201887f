"""
What participants say to each other.

Phase 1 of Paxos is `Prepare` and `Promise`, phase 2 is `Accept` and `Accepted` (Lamport, "Paxos
Made Simple", 2001). Decided slots travel in `Slots`, asked for by `Have`.
"""

import msgspec

from cluster.control.values import Ballot, Batch, Hash, Voter

Runs = tuple[tuple[Voter, int], ...]
"""The newest run of voters that have asked (`continuity`)."""


class Acceptance(msgspec.Struct, frozen=True, array_like=True):
    """What an acceptor has accepted for a slot, and at which ballot."""

    ballot: Ballot
    batch: Batch

    @property
    def slot(self) -> int:
        return self.batch.slot


class AcceptorState(msgspec.Struct, frozen=True, array_like=True):
    """
    What an acceptor must not forget.

    *counter* grows with every change of it.
    """

    run: int = 0
    counter: int = 0
    promised: Ballot = Ballot(0, "", 0)
    accepted: Acceptance | None = None
    runs: Runs = ()
    sealed: Ballot | None = None
    """Of the `Force` for which it stopped to vote in this generation."""


class Prepare(msgspec.Struct, frozen=True, array_like=True, tag="prepare"):
    """P: "Promise to take nothing below my ballot from this slot on, and say what you accepted"."""

    slot: int
    ballot: Ballot


class Promise(msgspec.Struct, frozen=True, array_like=True, tag="promise"):
    slot: int
    ballot: Ballot
    counter: int
    runs: Runs
    accepted: Acceptance | None


class Accept(msgspec.Struct, frozen=True, array_like=True, tag="accept"):
    """P: "Accept this batch for this slot"."""

    slot: int
    ballot: Ballot
    batch: Batch


class Accepted(msgspec.Struct, frozen=True, array_like=True, tag="accepted"):
    slot: int
    ballot: Ballot
    counter: int
    runs: Runs


class BallotRefused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """A: "Not at this ballot". *promised* is what A promised, *reason* why it votes for nobody."""

    ballot: Ballot
    promised: Ballot
    reason: str = ""


class Have(msgspec.Struct, frozen=True, array_like=True, tag="have"):
    """A node: "I have the slots up to *last*, synced: send me those beyond, if you have any"."""

    last: int


class Slots(msgspec.Struct, frozen=True, array_like=True, tag="slots"):
    """Decided slots, in order; *last* is the last one that the sender has."""

    batches: tuple[Batch, ...]
    last: int


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """A, a voter in a new run: "What do you know of me?" *counter* is what its disk says."""

    counter: int
    last: int


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome"):
    """
    The answer to a `Hello` of *run*: B has noted that run, and here is all that B remembers.

    *heard* is the largest counter that B ever heard of A's disk. *state* is None where B does not
    vote itself at its next slot.
    """

    run: int
    last: int
    heard: int
    state: AcceptorState | None


class Stale(msgspec.Struct, frozen=True, array_like=True, tag="stale"):
    """B: "I know a later run of your disk, *run*: take a later one still"."""

    run: int


class Hail(msgspec.Struct, frozen=True, array_like=True, tag="hail"):
    """An empty node: "Is there a cluster? Are you one of *initial*, too, and as empty?"."""

    initial: tuple[str, ...]
    round: int


class Empty(msgspec.Struct, frozen=True, array_like=True, tag="empty"):
    """The answer to a `Hail` of a node that has been up and empty for long enough."""

    region: str
    initial: tuple[str, ...]
    round: int


class Lineage(msgspec.Struct, frozen=True, array_like=True, tag="lineage"):
    """The generations of the sender, to whom is of another one."""

    lineage: tuple[Hash, ...]
    founded_ms: int
    used: bool
    """Whether anything was decided in it after its first slot."""

    survivors: tuple[str, ...]
    """Who goes on in this generation with what it has, if an operator forced it."""


class Seal(msgspec.Struct, frozen=True, array_like=True, tag="seal"):
    """X: "An operator forces a new generation: vote no more in this one, and say what you have"."""

    force: Ballot


class Sealed(msgspec.Struct, frozen=True, array_like=True, tag="sealed"):
    force: Ballot
    """The force that it is sealed for: a later one than it was asked for, if there is one."""

    region: str
    last: int
    accepted: Acceptance | None


class Unseal(msgspec.Struct, frozen=True, array_like=True, tag="unseal"):
    """X: "I gave that force up"."""

    force: Ballot


class Install(msgspec.Struct, frozen=True, array_like=True, tag="install"):
    """X to a survivor: the slots that it lacks up to the one which begins the new generation."""

    batches: tuple[Batch, ...]


Message = (
    Prepare | Promise | Accept | Accepted | BallotRefused | Have | Slots | Hello | Welcome | Stale
    | Hail | Empty | Lineage | Seal | Sealed | Unseal | Install
)  # fmt: skip


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A message, and who says it: the node, its disk, its run, its generation (empty: none yet)."""

    node: str
    store: str
    run: int
    generation: Hash
    message: Message

    @property
    def voter(self) -> Voter:
        return Voter(self.node, self.store)
