"""About disks, and what on them is not what was written."""

from collections.abc import Callable, Iterator
from typing import Final

from node.attention.codes import Code
from node.attention.facts import Facts
from node.attention.findings import Finding, FindingKey, Measure, NextStep
from node.attention.rules.absences import key_of, node_subject

FREE_SHARE: Final = 0.05
"""The free part of a disk below which it is nearly full."""

FREE_ENOUGH_BYTES: Final = 50 << 30
"""So much is enough, whatever part of a disk it is."""


def disk_nearly_full(facts: Facts) -> Iterator[Finding]:
    for member in facts.members:
        size, free = member.disk_bytes, member.disk_free_bytes
        if not size or free is None or free >= min(FREE_SHARE * size, FREE_ENOUGH_BYTES):
            continue
        node = member.node
        yield Finding(
            code=Code.DISK_NEARLY_FULL,
            subject=node_subject(node),
            title=f"the disk of {node} is nearly full: {free >> 20} MiB of {size >> 20} MiB are "
            "free",
            measures=(Measure("disk_free", free, "bytes"), Measure("disk", size, "bytes")),
            next=(
                NextStep("make room on it, or give it a larger one"),
                NextStep("until then, to have it get no more copies", f"atoll node pause {node}"),
            ),
            because=(key_of(Code.DISK_FULL, node),),
        )


def rows_damaged(facts: Facts) -> Iterator[Finding]:
    if not facts.damaged:
        return
    yield Finding(
        code=Code.ROWS_DAMAGED,
        subject=node_subject(facts.node),
        title=f"rows of the index of {facts.node} are not what was written",
        next=(NextStep("look at the disk and the memory of its machine; see docs/damage.md"),),
    )


def index_differs(facts: Facts) -> Iterator[Finding]:
    for node in facts.differing:
        yield Finding(
            code=Code.INDEX_DIFFERS,
            subject=node_subject(node),
            title=f"the index of {node} is another one than that of {facts.node}",
            next=(NextStep("both check their rows: look at each for `rows are not what was "
                           "written` in its log"),),
            because=(FindingKey(Code.ROWS_DAMAGED, node_subject(facts.node)),),
        )  # fmt: skip


def blobs_damaged(facts: Facts) -> Iterator[Finding]:
    stored = facts.storage
    if not stored.set_aside and not stored.hidden:
        return
    yield Finding(
        code=Code.BLOBS_DAMAGED,
        subject=node_subject(facts.node),
        title=(
            f"{stored.set_aside + stored.hidden} copies of blobs on the disk of {facts.node} were "
            "found damaged, and taken out of service"
        ),
        measures=(Measure("set_aside", stored.set_aside), Measure("hidden", stored.hidden)),
        next=(
            NextStep("look at its disk and memory; delete what is in `quarantine/` of its data "
                     "directory once no blob is missed"),
        ),
    )  # fmt: skip


def events_quarantined(facts: Facts) -> Iterator[Finding]:
    count = facts.storage.quarantined
    if not count:
        return
    yield Finding(
        code=Code.EVENTS_QUARANTINED,
        subject=node_subject(facts.node),
        title=f"{count} events make no sense to {facts.node}, and are kept aside",
        measures=(Measure("events", count),),
        next=(NextStep("upgrade it, if others run a newer version; else report it as a bug"),),
    )


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    disk_nearly_full,
    rows_damaged,
    index_differs,
    blobs_damaged,
    events_quarantined,
)
