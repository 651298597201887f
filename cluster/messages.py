"""What nodes say to each other, but for events and blobs. Frozen values."""

from typing import Final, NamedTuple

import msgspec

from cluster.model import PROTOCOL, Disk, Member, NodeId, Origin, Rumour, Run, Vector, Vitals


class CompareRequest(msgspec.Struct, frozen=True):
    """What the sender's rows add up to."""

    sender: NodeId
    vector: dict[Origin, int]
    sums: bytes
    quarantined: dict[int, int] = {}
    form: int = 0
    damaged: bool = False
    """The sender's rows are not those of its sums: it wants to take over those of a member."""


class Difference(NamedTuple):
    """A partition whose sums differ."""

    partition: int
    rows: int
    """At the node that answers."""


class CompareReply(msgspec.Struct, frozen=True):
    """What came of a comparison at the node that answers."""

    same_vector: bool
    """Without it nothing was compared."""

    sound: bool = False
    """The answering node has lately read all its rows, and they are those of its sums."""

    differences: tuple[Difference, ...] = ()


class ProbeRequest(msgspec.Struct, frozen=True):
    """A question of life, and some news along with it."""

    cluster: str
    sender: NodeId
    target: NodeId | None = None
    """Whom the receiver is to probe on the sender's behalf; None asks the receiver itself."""

    rumours: tuple[Rumour, ...] = ()
    whole: bool = False
    """The rumours are all that the sender knows; it wants to hear all that differs."""

    ending: int = 0
    """The epoch of the sender's run, which ends now: the node means to be back soon. 0: it does
    not end."""


class ProbeReply(msgspec.Struct, frozen=True):
    """The answer: who gives it, and whether the target was reached."""

    node: NodeId
    reached: bool
    rumours: tuple[Rumour, ...] = ()


class Heard(NamedTuple):
    """How much a node has heard of another one's vector (`gossip.differences`)."""

    epoch: int
    """The run that said it."""

    version: int
    """The latest version in which nothing is missing; 0: none."""


class Stage(NamedTuple):
    """The versions of the layout that are live. Later stages are larger."""

    oldest: int
    newest: int

    @property
    def joint(self) -> bool:
        return self.oldest != self.newest


NO_STAGE: Final = Stage(0, 0)
"""Before there is a layout."""


class Decisions(NamedTuple):
    """What a node has of what the whole cluster has decided (`cluster.control`)."""

    generation: bytes = b""
    """The hash that names the history; empty before the node is in one."""

    slot: int = 0
    """Up to here it has all of it, synced."""

    run: int = 0
    """The run by which it votes on what comes next."""


class Confirmation(msgspec.Struct, frozen=True):
    """
    What a member of the receiver's quorum says of how far it has the receiver's log, so that it
    counts for a majority (`cluster.freshness`).
    """

    epoch: int
    """Of which log of the receiver it speaks."""

    upto: int
    """How far the sender has that, synced."""

    readers: dict[Run, int] = {}
    """Who of the receiver's region may read by the sender's word, as of after it had that; and how
    far each of them has the receiver's log, as far as the sender has heard."""

    epochs: dict[Disk, int] = {}
    """The newest run that the sender knows of each member of the quorum."""


class PushAnswer(NamedTuple):
    """The answer to a push."""

    have: Vector
    """How far the logs are durable of which events came; nothing between two stages."""

    confirmation: Confirmation | None = None


class Greeting(msgspec.Struct, frozen=True):
    """What two nodes tell each other when a link opens, and at every heartbeat."""

    cluster: str
    member: Member
    known: tuple[Member, ...]
    """Whom the sender counts as members: only in an answer, and only where `members` of question
    and answer differ."""

    have: dict[Origin, int]
    """How far the logs are that grew after the version `since`."""

    wall_ms: int = 0
    """The sender's wall clock when it sent this, in milliseconds since the Unix epoch."""

    current: bool = False
    """In an answer only: the one that greeted has a lease, and may read by the answering node's
    word (`cluster.freshness.grants`)."""

    confirmation: Confirmation | None = None
    """None: how far the sender has the receiver's log counts as a copy, and for no majority."""

    earlier: dict[Origin, int] | None = None
    """In an answer to a whole greeting only: what the sender heard the receiver's disk say in runs
    that are over (`cluster.freshness.continuity`)."""

    began: dict[Origin, int] = {}
    """How far the sender's disk had the sender's own logs when its present run began, and what
    they say of blobs had been held against its files (`cluster.objects.claims`)."""

    joined: bool = False
    """The sender serves: what it has not heard of may be denied (`cluster.membership.join`)."""

    settings: dict[str, str] = {}
    """The sender's settings that have to be the same on every node (`driver.settings_check`)."""

    protocol: int = PROTOCOL
    """What the sender speaks."""

    brief: bool = False
    """Not the first greeting of its link: what holds for the run (`began`, `settings`) is left
    out."""

    members: int = 0
    """A sum over the names of those that the sender counts as members, itself included."""

    since: int = 0
    """The version of the sender's vector from which `have` tells on; 0 is the beginning."""

    version: int = 0
    """The version that the sender's vector has now."""

    heard: Heard = Heard(0, 0)
    """What the sender has heard of the receiver."""

    stage: Stage = NO_STAGE
    """That of the sender. Between two stages nothing that the greeting says is a confirmation."""

    pulled: tuple[str, ...] = ()
    """While the layout changes: the disks whose members the sender has asked, at this stage, for
    all they have (`cluster.layout.handover`)."""

    decisions: Decisions = Decisions()
    """What the sender has of them."""

    continuous: bool = True
    """Whether the sender has what its disk ever said that it has."""

    vitals: Vitals = Vitals()
