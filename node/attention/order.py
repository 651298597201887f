"""Which findings come first, and which are explained by others. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from node.attention.codes import Harm, Severity
from node.attention.findings import Concern, Finding, FindingKey

_SEVERITIES: Final = tuple(Severity)
_HARMS: Final = tuple(Harm)


def ranked(findings: Iterable[Finding], since: Callable[[FindingKey], float]) -> list[Concern]:
    """
    The findings that nothing else explains, the worst first: by severity, then by who is hurt, then
    the oldest.

    What another one explains comes with it: a node that is dead carries the copies that lack since.
    It counts as the worst of them, so nothing hides behind something that is less bad.
    """
    known = {finding.key: finding for finding in findings}
    carried: dict[FindingKey, list[Finding]] = {key: [] for key in known}
    for finding in known.values():
        root = _root(finding, known)
        if root != finding.key:
            carried[root].append(finding)
    roots = [known[key] for key in known if _root(known[key], known) == key]
    return _sorted(_concern(root, carried[root.key], since) for root in roots)


def _root(finding: Finding, known: Mapping[FindingKey, Finding]) -> FindingKey:
    """What explains *finding* in the end; itself where nothing that is there does."""
    seen = {finding.key}
    while (cause := next((key for key in finding.because if key in known), None)) is not None:
        if cause in seen:
            # Two that explain each other would hide both: the least of them, by name, stays.
            return min(_circle(cause, known))
        seen.add(cause)
        finding = known[cause]
    return finding.key


def _circle(key: FindingKey, known: Mapping[FindingKey, Finding]) -> set[FindingKey]:
    """The findings of the circle that *key* is in."""
    circle: set[FindingKey] = set()
    while key not in circle:
        circle.add(key)
        key = next(each for each in known[key].because if each in known)
    return circle


def _concern(
    finding: Finding, explained: Sequence[Finding], since: Callable[[FindingKey], float]
) -> Concern:
    inner = _sorted(_concern(each, (), since) for each in explained)
    grades = [finding.grade, *(each.finding.grade for each in inner)]
    return Concern(
        finding=finding,
        since=since(finding.key),
        severity=min((grade.severity for grade in grades), key=_SEVERITIES.index),
        harm=min((grade.harm for grade in grades), key=_HARMS.index),
        explains=tuple(inner),
    )


def _sorted(concerns: Iterable[Concern]) -> list[Concern]:
    return sorted(concerns, key=_rank)


def _rank(concern: Concern) -> tuple[int, int, float, FindingKey]:
    return (
        _SEVERITIES.index(concern.severity),
        _HARMS.index(concern.harm),
        concern.since,
        concern.finding.key,
    )
