"""The rules: what a node's facts say that somebody should know. Pure; none knows of the others."""

from collections.abc import Callable, Iterator
from typing import Final

from node.attention.facts import Facts
from node.attention.findings import Finding
from node.attention.rules import access, copies, decisions, membership, requests, storage

Rule = Callable[[Facts], Iterator[Finding]]

RULES: Final[tuple[Rule, ...]] = (
    *decisions.RULES,
    *membership.RULES,
    *requests.RULES,
    *copies.RULES,
    *storage.RULES,
    *access.RULES,
)


def findings(facts: Facts) -> list[Finding]:
    """All that the rules find, each once."""
    found = {finding.key: finding for rule in RULES for finding in rule(facts)}
    return list(found.values())
