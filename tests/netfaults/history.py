"""What clients asked and what they were told, with the times: the evidence."""

from dataclasses import dataclass, field
from typing import Final, Literal

from cluster.config import ClusterConfig

Kind = Literal[
    "push", "retag", "delete", "delete_digest", "pull", "pull_digest", "pull_blob", "list"
]
Outcome = Literal["ok", "missing", "refused", "unknown"]
"""
What the client knows afterwards. A read that was not answered is `unknown` as well.

ok: 2xx. missing: a clean 404. refused: an answer, or no connection, that says nothing was done.
unknown: 5xx, or no whole answer: a write may have taken effect, or may yet do so.
"""

WRITES: Final = frozenset({"push", "retag", "delete", "delete_digest"})
PUSHES: Final = frozenset({"push", "retag"})
PULLS: Final = frozenset({"pull", "pull_digest", "pull_blob"})

CLIENT_TIMEOUT_S: Final = 10.0

LATE_S: Final = 3 * ClusterConfig().durable_timeout_s - CLIENT_TIMEOUT_S
"""How long after the client gave up a request may still take effect. A write waits at most thus
three times: until its node is current, until enough nodes are connected, until they have it. One
that lay in the socket of a stopped process for 8 s finds the first two done when that goes on."""


@dataclass(eq=False, kw_only=True)
class Op:
    """One request of one client. Times are seconds since the run began."""

    number: int
    kind: Kind
    region: str
    repo: str
    tag: str = ""
    start: float = 0.0
    """When its last request was sent: a push is many."""

    end: float = 0.0
    node: str = ""
    """The node that the proxy chose for the last request; empty when there was none."""

    owners: list[str] = field(default_factory=list)
    """The nodes that keep what a push uploaded: those that opened its uploads."""

    outcome: Outcome = "unknown"
    digest: str = ""
    """The manifest that was written, deleted or asked for, or that the answer says it is."""

    blob: str = ""
    """The blob that was asked for: one of that manifest."""

    home: str = ""
    """The region in which that blob was pushed."""

    seen: float = 0.0
    """When this client was given the manifest that names the blob."""

    seen_at: str = ""
    """The node that gave it."""

    body: str = ""
    """The digest of the bytes that came, of a pull."""

    status: int = 0
    """The HTTP status; 0 without an answer."""

    code: str = ""
    """The error code of the distribution-spec in the answer."""

    why: str = ""
    event: str = ""
    """The event that the node named in its answer, if it did."""

    degraded: str = ""
    """On how few nodes a write is, if its acknowledgement says that it is on too few."""

    unconfirmed: bool = False
    """Whether the answer says that it may not be the latest: no majority could be asked."""

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
        return self.digest if self.kind in PUSHES else None

    @property
    def settled(self) -> float:
        """When it was decided, at the latest, whether and with which stamp this takes effect."""
        return self.end + LATE_S if self.timed_out else self.end

    def __str__(self) -> str:
        told = f"{self.outcome} {self.status or ''} {self.code} {self.why}".strip()
        what = f"{self.repo}:{self.tag}" if self.tag else self.repo
        name = f" {self.digest[7:15]}" if self.digest else ""
        name += f" blob {self.blob[7:15]}" if self.blob else ""
        event = f" [{self.event}]" if self.event else ""
        when = f"{self.start:.3f}-{self.end:.3f}"
        event += " unconfirmed" if self.unconfirmed else ""
        at = f"{self.node} (uploads at {', '.join(self.owners)})" if self.owners else self.node
        return f"#{self.number} {when} {self.kind} {what}{name} at {at}: {told}{event}"
