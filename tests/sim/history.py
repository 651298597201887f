"""What clients asked and what they were told, with the times: the checker's evidence."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cluster import vectors
from cluster.layout.transition import Live
from cluster.model import Consistency, Dot, Vector
from node.registry.media_types import OCI_MANIFEST
from tests.sim.plan import PUTS

NEVER = float("inf")


class Link(NamedTuple):
    """A link of a node, and the process at its other end."""

    link: object
    to: object


Links = dict[str, Link]
"""By address."""


@dataclass(eq=False)
class Op:
    """One operation of one client, through one node."""

    number: int
    kind: str
    region: str
    repo: str
    tag: str
    machine: Any
    start: float
    end: float = NEVER
    """When the client was told; never, when it was not: the operation may still take effect."""

    outcome: str = "unknown"
    """
    ok; missing (a clean "not found"); refused (an error that says that nothing has changed); failed
    (another error, or no answer: may have an effect).
    """

    digest: str = ""
    """What was pushed, deleted, asked for, or found under the tag: a manifest, or a blob."""

    media_type: str = OCI_MANIFEST
    children: list[str] = field(default_factory=list)
    """The manifests that an image index lists."""

    unconfirmed: bool = False
    """The answer says that no majority of the region could be asked."""

    lacking: list[str] = field(default_factory=list)
    """What the node said that its repository does not have, so that nothing can name it."""

    subject: str = ""
    """The manifest that the pushed one refers to; of which referrers were asked for."""

    listed: list[str] = field(default_factory=list)
    blobs: list[tuple[str, bytes]] = field(default_factory=list)
    copies: int = 0
    """Blobs that its node may have had to copy until then: those of the writes beside it, too."""

    body: bytes = b""
    dots: list[Dot] = field(default_factory=list)
    consistency: Consistency = Consistency.REGION
    """How far the write had to be, by the project's policy as the serving node knew it."""

    live: Live | None = None
    """The layout by which the serving node found that it was far enough."""

    io_errors: list[str] = field(default_factory=list)
    error: str = ""
    seen: Vector = field(default_factory=dict)
    """How far the serving node knew every log when the operation began."""

    links: Links = field(default_factory=dict)
    """
    The links of that node when the operation began: those that it had by its own word and by the
    network's. One to itself is among them.
    """

    living: set[str] = field(default_factory=set)
    """Addresses of whom that node counted as living from the beginning to the end."""

    members: int = 0
    """How many stores the cluster had, by the layout that the node went by."""

    taking: set[str] = field(default_factory=set)
    """Addresses of the nodes that could get copies of blobs all the while."""

    counted: set[str] = field(default_factory=set)
    """The same, of those whose copies counted at some time of it."""

    connected: set[str] = field(default_factory=set)
    """Addresses of those links that stood all the while."""

    reach: dict[str, Vector] = field(default_factory=dict)
    """
    Who could be asked all the while, by address, and how far each durably had every log when the
    operation began.
    """

    having: set[str] = field(default_factory=set)
    """Of a read of a blob: addresses of the disks that had it all the while."""

    holders: list[str] = field(default_factory=list)
    """Addresses of the disks that had the write when it was acknowledged."""

    blob_holders: list[list[str]] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Addresses of those among the holders of an image index that lacked a manifest it lists."""

    def begins(self, links: Links, durable: dict[str, Vector]) -> None:
        """Note whom the serving node can ask, and how far each of them has every log."""
        self.links = links
        self.reach = {address: durable[address] for address in links}

    def ends(self, links: Links, sick: Links) -> None:
        """
        A link that was lost meanwhile may have brought nothing; another one came too late.

        But that the disk at the other end could not be read is no reason: *sick* are those who
        are there and could have been asked, by address.
        """
        self.connected = {a for a, link in self.links.items() if links.get(a) == link}
        there = {a for a, link in self.links.items() if a in sick and sick[a].to is link.to}
        self.reach = {a: self.reach[a] for a in self.connected | there}

    def reaches(self, dot: Dot) -> bool:
        """Whether somebody who could be asked had the event when the operation began."""
        return any(vectors.reached(have, dot.origin) >= dot.seq for have in self.reach.values())

    def has(self, dot: Dot) -> bool:
        """Whether the serving node itself had the event when the operation began."""
        return vectors.reached(self.reach.get(self.machine, {}), dot.origin) >= dot.seq

    @property
    def puts(self) -> bool:
        """Whether it puts a manifest there."""
        return self.kind in PUTS

    @property
    def names(self) -> list[str]:
        """What the manifest cannot be there without."""
        return [*(digest for digest, _ in self.blobs), *self.children]

    @property
    def dot(self) -> Dot | None:
        return self.dots[-1] if self.dots else None

    def __str__(self) -> str:
        end = "never" if self.end == NEVER else f"{self.end:.3f}"
        told = f"{self.outcome} {self.error}".strip()
        where = f"{self.repo}:{self.tag}" + (f" {self.digest[7:15]}" if self.digest else "")
        where += f" of {self.subject[7:15]}" if self.subject else ""
        dot = f" [{self.dot}]" if self.dot else ""
        when = f"#{self.number} {self.start:.3f}-{end}"
        return f"{when} {self.kind} {where} at {self.machine}: {told}{dot}"
