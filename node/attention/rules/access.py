"""About who gets in: everybody, nobody, and how tokens are made."""

from collections.abc import Callable, Iterator
from typing import Final

from node.attention.codes import Code
from node.attention.facts import Facts
from node.attention.findings import THE_CLUSTER, Finding, FindingKey, NextStep
from node.attention.rules.absences import key_of, no_majority, node_subject


def auth_open(facts: Facts) -> Iterator[Finding]:
    if not facts.access.is_open:
        return
    yield Finding(
        code=Code.AUTH_OPEN,
        subject=THE_CLUSTER,
        title="whoever reaches a node may do anything (auth = open)",
        next=(NextStep("take `--open` away, one node after the other, unless it is your own "
                       "machine"),),
    )  # fmt: skip


def nobody_admin(facts: Facts) -> Iterator[Finding]:
    if facts.access.is_open or facts.access.has_admin is not False:
        return
    yield Finding(
        code=Code.NOBODY_ADMIN,
        subject=THE_CLUSTER,
        title="nobody is admin: nobody may log in who may say who may do what",
        next=(NextStep("as who may read the data directory of a node", "atoll admin init root"),),
    )


def signing_key_missing(facts: Facts) -> Iterator[Finding]:
    if facts.access.is_open or facts.access.can_sign is not False:
        return
    node = facts.node
    yield Finding(
        code=Code.SIGNING_KEY_MISSING,
        subject=node_subject(node),
        title=f"{node} has no key to sign tokens with that the others know: no client gets one",
        next=(NextStep("it publishes one with its next write: see why it takes none"),),
        because=(
            *(
                key_of(code, node)
                for code in (Code.WRITES_REFUSED, Code.DISK_FULL, Code.INDEX_UNUSABLE,
                             Code.NODE_RESTORING, Code.NODE_JOINING, Code.CLOCK_OFF,
                             Code.NODE_OUTSIDE, Code.DISK_REPLACED)
            ),
            FindingKey(Code.NO_LAYOUT, THE_CLUSTER),
            no_majority(),
        ),
    )  # fmt: skip


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    auth_open,
    nobody_admin,
    signing_key_missing,
)
