"""What a rule found, as a value; and what it is worth beside the others."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from node.attention.codes import GRADES, Code, Grade, Harm, Severity

SubjectKind = Literal["node", "region", "project", "tag", "cluster"]


class FindingSubject(NamedTuple):
    """What it is about."""

    kind: SubjectKind
    name: str = ""
    """Empty for the cluster: there is one."""


THE_CLUSTER = FindingSubject("cluster")


class Measure(NamedTuple):
    """A number behind a finding, with its unit; or a word."""

    name: str
    value: float | str
    unit: str = ""


class NextStep(NamedTuple):
    """What to do. With a *command*, that is what to type."""

    text: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.text}: `{self.command}`" if self.command else self.text


class FindingKey(NamedTuple):
    """By which two looks know the same finding."""

    code: Code
    subject: FindingSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found."""

    code: Code
    subject: FindingSubject
    title: str
    """What is so, in a line, with names and numbers."""

    measures: tuple[Measure, ...] = ()
    next: tuple[NextStep, ...] = ()
    because: tuple[FindingKey, ...] = ()
    """What explains it, if that is there too; the likeliest first."""

    @property
    def key(self) -> FindingKey:
        return FindingKey(self.code, self.subject)

    @property
    def grade(self) -> Grade:
        """By itself."""
        return GRADES[self.code]

    @property
    def line(self) -> str:
        """It, and what to do, in one line."""
        return ": ".join(filter(None, (self.title, "; ".join(map(str, self.next)))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """A finding that nothing else explains, with those that it explains."""

    finding: Finding
    since: float
    """When this node saw it first, in seconds since 1970."""

    severity: Severity
    harm: Harm
    """The worst of its own, and of what it explains."""

    explains: tuple["Concern", ...] = ()
    """The worst first; what these explain is among them."""

    @property
    def line(self) -> str:
        """It, what to do, and what it explains, in one line."""
        told = "; ".join(each.finding.title for each in self.explains)
        return f"{self.finding.line} (so {told})" if told else self.finding.line
