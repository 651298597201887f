"""About the copies of blobs, and about tags that were pushed twice."""

from collections.abc import Callable, Iterator
from typing import Final

from node.attention.codes import Code
from node.attention.facts import Facts
from node.attention.findings import THE_CLUSTER, Finding, FindingKey, Measure, NextStep
from node.attention.rules.absences import key_of, stores_away


def blobs_gone(facts: Facts) -> Iterator[Finding]:
    copies = facts.copies
    if copies is None or not copies.gone:
        return
    yield Finding(
        code=Code.BLOBS_GONE,
        subject=THE_CLUSTER,
        title=f"{copies.gone} blobs ({copies.gone_bytes} bytes) are on nobody who is there",
        measures=(
            Measure("blobs", copies.gone),
            Measure("size", copies.gone_bytes, "bytes"),
            *_examples(copies.examples),
        ),
        next=(NextStep("bring back the nodes that have them, or push those images again"),),
        because=stores_away(facts),
    )


def copies_short(facts: Facts) -> Iterator[Finding]:
    copies = facts.copies
    if copies is None or not copies.short:
        return
    yield Finding(
        code=Code.COPIES_SHORT,
        subject=THE_CLUSTER,
        title=f"{copies.short} blobs ({copies.short_bytes} bytes) have too few copies",
        measures=(
            Measure("blobs", copies.short),
            Measure("size", copies.short_bytes, "bytes"),
            *_examples(copies.examples),
        ),
        next=(NextStep("wait: copies are made of what every member that is there can take"),),
        because=(
            *stores_away(facts),
            FindingKey(Code.LAYOUT_UNMET, THE_CLUSTER),
            *(key_of(Code.NODE_DRAINING, member.node) for member in facts.members),
        ),
    )


def _examples(digests: tuple[str, ...]) -> Iterator[Measure]:
    if digests:
        yield Measure("examples", ", ".join(digests))


def uncounted(facts: Facts) -> Iterator[Finding]:
    if not facts.uncounted:
        return
    told = "; ".join(f"{what} cannot be counted: {why}" for what, why in facts.uncounted.items())
    own = (Code.NODE_RESTORING, Code.INDEX_UNUSABLE, Code.ROWS_DAMAGED, Code.NODE_JOINING,
           Code.CLOCK_OFF, Code.NODE_OUTSIDE, Code.DISK_REPLACED)  # fmt: skip
    yield Finding(
        code=Code.UNCOUNTED,
        subject=THE_CLUSTER,
        title=told,
        next=(NextStep("ask another node", "atoll status"),),
        because=(
            FindingKey(Code.NO_LAYOUT, THE_CLUSTER),
            *(key_of(code, facts.node) for code in own),
        ),
    )


def tag_conflicts(facts: Facts) -> Iterator[Finding]:
    if not facts.conflicts:
        return
    yield Finding(
        code=Code.TAG_CONFLICTS,
        subject=THE_CLUSTER,
        title=f"{facts.conflicts} tags are in conflict: pushed at the same time in two places",
        measures=(Measure("tags", facts.conflicts),),
        next=(
            NextStep("GET /atoll/v1/conflicts names them; push the tag again, or `atoll rollback`"),
        ),
    )


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    blobs_gone,
    copies_short,
    uncounted,
    tag_conflicts,
)
