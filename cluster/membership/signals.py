"""What the failure detector is told, and what it wants done. Frozen values only."""

import msgspec

from cluster.model import Member, NodeId, Rumour


class Tick(msgspec.Struct, frozen=True):
    """Time has passed: `Detector.wake_at` is here."""


class News(msgspec.Struct, frozen=True):
    """Rumours came, from whomever."""

    rumours: tuple[Rumour, ...]


class Met(msgspec.Struct, frozen=True):
    """A member spoke for itself, or was heard of for the first time."""

    member: Member


class LinkUp(msgspec.Struct, frozen=True):
    node: NodeId


class Doubted(msgspec.Struct, frozen=True):
    """The link to *node* is lost, or a greeting on it was not answered in time."""

    node: NodeId


class Reached(msgspec.Struct, frozen=True):
    """The target of probe *number* answered, to this node or to a helper."""

    number: int


class Unreached(msgspec.Struct, frozen=True):
    """The direct attempt of probe *number* ended without an answer: refused, or time is up."""

    number: int


class HelperSaid(msgspec.Struct, frozen=True):
    """A helper of probe *number* could not reach the target, or (not *answered*) was silent."""

    number: int
    helper: NodeId
    answered: bool


class Leave(msgspec.Struct, frozen=True):
    """This node goes for good."""


class Removed(msgspec.Struct, frozen=True):
    """Somebody decided that a dead member will not come back."""

    node: NodeId


Signal = Tick | News | Met | LinkUp | Doubted | Reached | Unreached | HelperSaid | Leave | Removed


class Probe(msgspec.Struct, frozen=True):
    """Ask *target* itself; tell `Reached` or `Unreached`."""

    number: int
    target: Member
    timeout_s: float
    rumours: tuple[Rumour, ...]


class ProbeVia(msgspec.Struct, frozen=True):
    """Let *helper* ask *target*; tell `Reached` or `HelperSaid`."""

    number: int
    helper: Member
    target: NodeId
    timeout_s: float
    rumours: tuple[Rumour, ...]


class Tell(msgspec.Struct, frozen=True):
    """Pass rumours on; whether they arrive is not followed up."""

    to: Member
    rumours: tuple[Rumour, ...]


class Exchange(msgspec.Struct, frozen=True):
    """Compare whole tables with a member."""

    peer: Member


class Changed(msgspec.Struct, frozen=True):
    """What is known of a member is new: *before* is None for a member that nobody knew."""

    before: Rumour | None
    after: Rumour


class Forgotten(msgspec.Struct, frozen=True):
    """A member that left long ago is no longer in the table."""

    node: NodeId


class Contested(msgspec.Struct, frozen=True):
    """Somebody takes *other* for this node; if it runs, two nodes bear one name."""

    other: Member


Effect = Probe | ProbeVia | Tell | Exchange | Changed | Forgotten | Contested
