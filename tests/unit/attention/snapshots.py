"""The least that a rule needs to find something, by what it finds; and a cluster that is well."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cluster import WANTS_STATE
from cluster.layout import Availability, Role
from node.attention.codes import Code
from node.attention.facts import (
    AccessFacts,
    CopyFacts,
    Facts,
    HindranceFacts,
    LayoutFacts,
    MemberFacts,
    RecentReads,
    StalledChange,
    StorageFacts,
    UnmetFacts,
    VoterFacts,
)
from node.attention.order import ranked
from node.attention.rules import findings
from node.attention.service import Assessment

ME: Final = "eu-1"


def a_member(node: str, **fields: Any) -> MemberFacts:
    """One that is there, and does all that it should."""
    region = node.partition("-")[0]
    given = {
        "state": "alive",
        "connected": True,
        "availability": Availability.ACTIVE,
        "roles": (Role.STORE,),
        **fields,
    }
    return MemberFacts(node=node, region=given.pop("region", region), **given)


WELL: Final = Facts(
    node=ME,
    region="eu",
    now=1_800_000_000.0,
    layout=LayoutFacts(3),
    voters=VoterFacts(("eu-1", "eu-2", "us-1"), ()),
    members=tuple(map(a_member, ("eu-1", "eu-2", "us-1"))),
    copies=CopyFacts(9, 90),
    conflicts=0,
    access=AccessFacts(has_admin=True, can_sign=True, cutoff_s=3600.0),
    logs=6,
)
"""Three nodes in two regions."""


def with_member(facts: Facts, node: str, **fields: Any) -> Facts:
    """The same, but for what is so of one member."""
    members = tuple(replace(m, **fields) if m.node == node else m for m in facts.members)
    return replace(facts, members=members)


def of_member(node: str = "eu-2", **fields: Any) -> Facts:
    return with_member(WELL, node, **fields)


def with_newcomer(**fields: Any) -> Facts:
    newcomer = a_member("eu-9", availability=None, state="outside", **fields)
    return replace(WELL, members=(*WELL.members, newcomer))


APART: Final = VoterFacts(("eu-1", "eu-2", "us-1"), ("eu-2", "us-1"))
FEW: Final = "copies: 1 of the 2 nodes that a write needs are connected; missing: eu-2"

LEAST: Final[Mapping[Code, Facts]] = {
    Code.NO_LAYOUT: replace(WELL, layout=None, no_layout="there is no layout yet"),
    Code.VOTERS_LOST: replace(WELL, voters=APART),
    Code.LOGINS_REFUSED: replace(
        WELL, voters=APART, access=AccessFacts(has_admin=True, apart_s=3601, cutoff_s=3600)
    ),
    Code.CHANGE_STALLED: replace(
        WELL, stalled=StalledChange(4, (HindranceFacts("eu-2", "region eu: eu-2 is slow"),))
    ),
    Code.LAYOUT_UNMET: replace(WELL, layout=LayoutFacts(3, (UnmetFacts("copies", 4, 3),))),
    Code.NODE_DEAD: of_member(state="dead", connected=False),
    Code.NODE_UNHEARD: of_member(state="unheard", connected=False),
    Code.NODE_SUSPECT: of_member(state="suspect"),
    Code.NODE_STOPPED: of_member(connected=False, stopped=True),
    Code.NODE_UNLINKED: of_member(connected=False),
    Code.NODE_LEFT: of_member(state="left", connected=False),
    Code.NODE_OUTSIDE: with_newcomer(),
    Code.DISK_REPLACED: of_member(state="outside"),
    Code.NODE_JOINING: of_member(trouble="cluster: it waits for eu-7"),
    Code.NODE_RESTORING: of_member(trouble=f"index: {WANTS_STATE}"),
    Code.NODE_STOPPING: of_member(trouble="running: stopping"),
    Code.NODE_TROUBLE: of_member(trouble="moon: it is full"),
    Code.NODE_DRAINING: of_member(availability=Availability.DRAINING),
    Code.NODE_PAUSED: of_member(availability=Availability.PAUSED),
    Code.SETTINGS_DIFFER: of_member(settings_differing={"joining": "open"}),
    Code.VERSIONS_MIXED: with_member(of_member(version="1.1.0"), ME, version="1.0.0"),
    Code.SEEDS_MISSING: replace(WELL, seeds_missing={"10.0.0.9:6000": "nobody listens"}),
    Code.WRITES_REFUSED: of_member(ME, trouble=FEW),
    Code.READS_REFUSED: replace(WELL, reads=RecentReads(refused=2)),
    Code.READS_UNCONFIRMED: replace(WELL, reads=RecentReads(unconfirmed=2)),
    Code.READS_UNCOVERED: of_member(uncovered="no lease of eu-1"),
    Code.CLOCK_OFF: of_member(trouble="clock: 700 ms off its members'"),
    Code.REGION_BEHIND: of_member("us-1", lag_events=1_000),
    Code.NODE_BEHIND: of_member(ahead_events=1_000),
    Code.LOG_STANDS: replace(WELL, logs_standing=1),
    Code.LOGS_MANY: replace(WELL, logs=151),
    Code.BLOBS_GONE: replace(WELL, copies=CopyFacts(9, 90, gone=1, gone_bytes=10)),
    Code.COPIES_SHORT: replace(WELL, copies=CopyFacts(9, 90, short=2, short_bytes=20)),
    Code.UNCOUNTED: replace(WELL, copies=None, uncounted={"copies of blobs": "the disk failed"}),
    Code.TAG_CONFLICTS: replace(WELL, conflicts=3),
    Code.DISK_FULL: of_member(trouble="disk: no room: 12 MiB are free"),
    Code.DISK_NEARLY_FULL: of_member(disk_bytes=100 << 30, disk_free_bytes=4 << 30),
    Code.BLOB_DISK_FAILING: of_member(trouble="blobs: Input/output error"),
    Code.INDEX_UNUSABLE: of_member(trouble="index: damaged: 7.sst is gone; start it anew"),
    Code.ROWS_DAMAGED: replace(WELL, damaged=True),
    Code.INDEX_DIFFERS: replace(WELL, differing=("eu-2",)),
    Code.BLOBS_DAMAGED: replace(WELL, storage=StorageFacts(set_aside=1)),
    Code.EVENTS_QUARANTINED: replace(WELL, storage=StorageFacts(quarantined=1)),
    Code.AUTH_OPEN: replace(WELL, access=AccessFacts(is_open=True)),
    Code.NOBODY_ADMIN: replace(WELL, access=AccessFacts(has_admin=False, can_sign=True)),
    Code.SIGNING_KEY_MISSING: replace(WELL, access=AccessFacts(has_admin=True, can_sign=False)),
}


def assessed(facts: Facts) -> Assessment:
    """What a node makes of them that looks for the first time."""
    concerns = ranked(findings(facts), lambda key: facts.now)
    return Assessment(facts=facts, concerns=tuple(concerns))
