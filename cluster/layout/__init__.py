"""
Who should be in the cluster, and what should lie where: the layout. Pure rules.

Owns the agreed document, how one version follows another, what counts while two are live, where
copies of blobs belong, and what a change moves. It reads no clock, no disk and no network, and does
not know who is *there*: that is `cluster.membership`. `docs/layout.md` tells the whole.

What it offers to who shows a layout and asks for another one is here; who brings one about is
`cluster.driver.layouts`.
"""

from cluster.layout.changes import (
    Add,
    Change,
    DropRule,
    NameWitness,
    Remove,
    Replace,
    SetAvailability,
    SetRoles,
    SetRule,
    SetSettings,
    SetVoters,
    SetWeight,
    SetZone,
)
from cluster.layout.chronicle import Entry
from cluster.layout.document import (
    Availability,
    DegradedWrites,
    Layout,
    LayoutMember,
    RegionRule,
    Role,
    Settings,
    fingerprint,
)
from cluster.layout.handover import Hindrance, Phase, View
from cluster.layout.placement import Placement
from cluster.layout.plan import Movement, Plan, Traffic
from cluster.layout.removal import Removal, Verdict
from cluster.layout.rows import Row
from cluster.layout.rules import COPIES_MAX, MEMBERS_MAX, unmet
from cluster.layout.summary import contents, differences
from cluster.layout.transition import Live
from cluster.model import Disk

__all__ = [
    "COPIES_MAX",
    "MEMBERS_MAX",
    "Add",
    "Availability",
    "Change",
    "DegradedWrites",
    "Disk",
    "DropRule",
    "Entry",
    "Hindrance",
    "Layout",
    "LayoutMember",
    "Live",
    "Movement",
    "NameWitness",
    "Phase",
    "Placement",
    "Plan",
    "RegionRule",
    "Removal",
    "Remove",
    "Replace",
    "Role",
    "Row",
    "SetAvailability",
    "SetRoles",
    "SetRule",
    "SetSettings",
    "SetVoters",
    "SetWeight",
    "SetZone",
    "Settings",
    "Traffic",
    "Verdict",
    "View",
    "contents",
    "differences",
    "fingerprint",
    "unmet",
]
