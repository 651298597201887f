"""
Errors of the layout.

    LayoutError
    ├── LayoutUnreadable     of a later version of Atoll: keep the bytes, act on no version
    ├── LayoutInvalid        the document contradicts itself: propose another one
    └── LayoutRefused        it would break a promise: do first what the message says
        ├── MemberKnown        the name or the disk is in the layout, or was
        ├── MemberMissing      nobody of that name is
        ├── MemberSilent       who is to go does not answer, and is not said to be lost
        ├── RegionFixed        a member stays in its region
        ├── CopiesUnmet        fewer members would be left than copies are asked for
        ├── CopiesAtStake      blobs would have too few copies left, or none
        ├── NotDrained         the member may still get copies that count
        ├── VotersUnfit        voters could decide nothing, or go with one region
        ├── QuorumSilent       too few of a region answer to end the old version
        ├── WitnessUnfit       the region needs another witness, or none
        ├── ChangeOpen         the change before this one has not ended
        ├── VersionTaken       it does not follow the version that is live
        ├── PlanUnknown        nobody planned that here: plans stay with the node that made them
        ├── NewcomerAbsent     who is to be added is not there, or has no index yet
        └── SurvivorsUnfit     the rest can decide without a disaster, or this node is none of them
"""

from collections.abc import Sequence

from cluster.errors import ClusterError
from cluster.model import NodeId, Region

__all__ = [
    "ChangeOpen",
    "CopiesAtStake",
    "CopiesUnmet",
    "LayoutError",
    "LayoutInvalid",
    "LayoutRefused",
    "LayoutUnreadable",
    "MemberKnown",
    "MemberMissing",
    "MemberSilent",
    "NewcomerAbsent",
    "NotDrained",
    "PlanUnknown",
    "QuorumSilent",
    "RegionFixed",
    "SurvivorsUnfit",
    "VersionTaken",
    "VotersUnfit",
    "WitnessUnfit",
]


class LayoutError(ClusterError):
    """Base of everything this package raises on purpose."""


class LayoutUnreadable(LayoutError):
    """This version of Atoll cannot read a layout. *version* is None where even that is unclear."""

    def __init__(self, version: int | None, reason: str) -> None:
        which = "a layout" if version is None else f"version {version} of the layout"
        super().__init__(f"{which} cannot be read: {reason}")
        self.version = version
        self.reason = reason


class LayoutInvalid(LayoutError):
    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("not a layout: " + "; ".join(problems))
        self.problems = tuple(problems)


class LayoutRefused(LayoutError):
    """Base of the refusals. Nothing has changed."""


class MemberKnown(LayoutRefused):
    """A name is given once; the disk of a removed member does not come back as it is."""

    def __init__(self, node: NodeId, why: str) -> None:
        super().__init__(f"{node} cannot be added: {why}")
        self.node = node


class MemberMissing(LayoutRefused):
    def __init__(self, node: NodeId) -> None:
        super().__init__(f"{node} is not in the layout")
        self.node = node


class MemberSilent(LayoutRefused):
    """What only it has would go with it, and nobody said that it may."""

    def __init__(self, node: NodeId) -> None:
        super().__init__(
            f"{node} does not answer, and has to be asked for what it has before it goes; only if "
            "it is switched off for good can it be declared lost"
        )
        self.node = node


class RegionFixed(LayoutRefused):
    """Two majorities of one region would not need to meet any more, were members to move."""

    def __init__(self, node: NodeId, region: Region, wanted: Region) -> None:
        super().__init__(
            f"{node} is in region {region} and cannot move to {wanted}: remove it, and add it "
            "there with an empty disk"
        )
        self.node = node
        self.region = region
        self.wanted = wanted


class CopiesUnmet(LayoutRefused):
    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(
            f"too few members: {'; '.join(reasons)}; add stores first, or ask for fewer copies"
        )
        self.reasons = tuple(reasons)


class CopiesAtStake(LayoutRefused):
    """Blobs have their last copy on the member that is to go, or would have too few elsewhere."""

    def __init__(self, node: NodeId, last: int, last_bytes: int, short: int) -> None:
        alone = f"{last} blobs ({last_bytes} bytes) are nowhere else" if last else ""
        few = f"{short} blobs would have too few copies elsewhere" if short else ""
        super().__init__(
            f"{node} cannot go: {'; '.join(part for part in (alone, few) if part)}; drain it, "
            "and wait until others have them"
        )
        self.node = node
        self.last = last
        self.last_bytes = last_bytes
        self.short = short


class NotDrained(LayoutRefused):
    def __init__(self, node: NodeId, why: str) -> None:
        super().__init__(f"{node} cannot go: {why}")
        self.node = node
        self.why = why


class VotersUnfit(LayoutRefused):
    def __init__(self, voters: Sequence[NodeId], why: str) -> None:
        super().__init__(
            f"voters {', '.join(voters) or '(none)'}: {why}; name others in the same change"
        )
        self.voters = tuple(voters)
        self.why = why


class QuorumSilent(LayoutRefused):
    """The change would begin and could not end; meanwhile the region would take no pushes."""

    def __init__(self, region: Region, version: int, silent: Sequence[NodeId]) -> None:
        super().__init__(
            f"region {region}: too few of its quorum in version {version} answer; silent: "
            + f"{', '.join(silent)}; bring them back, or remove them as lost first"
        )
        self.region = region
        self.version = version
        self.silent = tuple(silent)


class WitnessUnfit(LayoutRefused):
    def __init__(self, region: Region, node: NodeId, candidates: Sequence[NodeId]) -> None:
        others = f"name one of {', '.join(candidates)}" if candidates else "it needs none"
        super().__init__(f"{node} cannot be witness of region {region}: {others}")
        self.region = region
        self.node = node
        self.candidates = tuple(candidates)


class ChangeOpen(LayoutRefused):
    def __init__(self, version: int) -> None:
        super().__init__(f"the change to version {version} has not ended; one at a time")
        self.version = version


class VersionTaken(LayoutRefused):
    def __init__(self, live: int, got: int) -> None:
        super().__init__(f"version {live} is live and {got} does not follow it; plan again")
        self.live = live
        self.got = got


class PlanUnknown(LayoutRefused):
    def __init__(self, version: int, fingerprint: str) -> None:
        super().__init__(
            f"this node has no plan {fingerprint[:12]} of version {version}; plan again, or ask "
            "the node that planned it"
        )
        self.version = version
        self.fingerprint = fingerprint


class NewcomerAbsent(LayoutRefused):
    def __init__(self, node: NodeId, why: str) -> None:
        super().__init__(f"{node} cannot be added: {why}")
        self.node = node


class SurvivorsUnfit(LayoutRefused):
    def __init__(self, survivors: Sequence[NodeId], why: str) -> None:
        super().__init__(f"survivors {', '.join(survivors) or '(none)'}: {why}")
        self.survivors = tuple(survivors)
