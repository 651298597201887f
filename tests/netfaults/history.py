"""What clients asked and what they were told, with the times: the evidence."""

from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["push", "retag", "delete", "pull", "pull_digest", "list"]
Outcome = Literal["ok", "missing", "refused", "unknown"]
"""
What the client knows afterwards. A read that was not answered is `unknown` as well.

ok: 2xx. missing: a clean 404. refused: an answer, or no connection, that says nothing was done.
unknown: 5xx, or no whole answer: a write may have taken effect, or may yet do so.
"""

WRITES: Final = frozenset({"push", "retag", "delete"})
LATE_S: Final = 15.0
"""How long after the client gave up a request may still take effect: it lay in the socket of a
stopped process, whose own waits end after 10 s."""


@dataclass(eq=False, kw_only=True)
class Op:
    """One request of one client. Times are seconds since the run began."""

    number: int
    kind: Kind
    region: str
    repo: str
    tag: str = ""
    start: float = 0.0
    end: float = 0.0
    node: str = ""
    """The node that the proxy chose; empty when there was none."""

    outcome: Outcome = "unknown"
    digest: str = ""
    """The manifest that was written, or was found under the tag."""

    status: int = 0
    """The HTTP status; 0 without an answer."""

    code: str = ""
    """The error code of the distribution-spec in the answer."""

    why: str = ""
    event: str = ""
    """The event that the node named in its answer, if it did."""

    listed: list[str] = field(default_factory=list)
    timed_out: bool = False

    @property
    def is_write(self) -> bool:
        return self.kind in WRITES

    @property
    def may_have_effect(self) -> bool:
        return self.is_write and self.outcome in ("ok", "unknown")

    @property
    def value(self) -> str | None:
        """What a write leaves under its tag; None for nothing."""
        return None if self.kind == "delete" else self.digest

    @property
    def settled(self) -> float:
        """When it was decided, at the latest, whether and with which stamp this takes effect."""
        return self.end + LATE_S if self.timed_out else self.end

    def __str__(self) -> str:
        told = f"{self.outcome} {self.status or ''} {self.code} {self.why}".strip()
        what = f"{self.repo}:{self.tag}" if self.tag else self.repo
        name = f" {self.digest[7:15]}" if self.digest else ""
        event = f" [{self.event}]" if self.event else ""
        when = f"{self.start:.3f}-{self.end:.3f}"
        return f"#{self.number} {when} {self.kind} {what}{name} at {self.node}: {told}{event}"
