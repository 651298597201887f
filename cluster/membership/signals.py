"""What the failure detector is told, and what it wants done. Frozen values only."""

from dataclasses import dataclass

from cluster.model import Member, NodeId, Rumour


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: `Detector.wake_at` is here."""


@dataclass(frozen=True, slots=True)
class News:
    """Rumours came, from whomever."""

    rumours: tuple[Rumour, ...]


@dataclass(frozen=True, slots=True)
class Met:
    """A member spoke for itself, or was heard of for the first time."""

    member: Member


@dataclass(frozen=True, slots=True)
class LinkUp:
    node: NodeId


@dataclass(frozen=True, slots=True)
class Doubted:
    """The link to *node* is lost, or a greeting on it was not answered in time."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Reached:
    """The target of probe *number* answered, to this node or to a helper."""

    number: int


@dataclass(frozen=True, slots=True)
class Unreached:
    """The direct attempt of probe *number* ended without an answer: refused, or time is up."""

    number: int


@dataclass(frozen=True, slots=True)
class HelperSaid:
    """A helper of probe *number* could not reach the target, or (not *answered*) was silent."""

    number: int
    helper: NodeId
    answered: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """This node goes for good."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Somebody decided that a dead member will not come back."""

    node: NodeId


Signal = Tick | News | Met | LinkUp | Doubted | Reached | Unreached | HelperSaid | Leave | Removed


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask *target* itself; tell `Reached` or `Unreached`."""

    number: int
    target: Member
    timeout_s: float
    rumours: tuple[Rumour, ...]


@dataclass(frozen=True, slots=True)
class ProbeVia:
    """Let *helper* ask *target*; tell `Reached` or `HelperSaid`."""

    number: int
    helper: Member
    target: NodeId
    timeout_s: float
    rumours: tuple[Rumour, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Pass rumours on; whether they arrive is not followed up."""

    to: Member
    rumours: tuple[Rumour, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """Compare whole tables with a member."""

    peer: Member


@dataclass(frozen=True, slots=True)
class Changed:
    """What is known of a member is new: *before* is None for a member that nobody knew."""

    before: Rumour | None
    after: Rumour


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A member that left long ago is no longer in the table."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Contested:
    """Somebody takes *other* for this node; if it runs, two nodes bear one name."""

    other: Member


Effect = Probe | ProbeVia | Tell | Exchange | Changed | Forgotten | Contested
