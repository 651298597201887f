"""What happened to images, as values: what the index tells of while it is written."""

from enum import StrEnum
from typing import NamedTuple

from cluster.model import Dot


class Happened(StrEnum):
    """What it was."""

    PUSH = "push"
    """A tag was pointed at a manifest."""

    UNTAG = "delete"
    """A tag was deleted."""

    REMOVE = "remove"
    """A manifest was deleted, with every tag that pointed to it."""

    CONFLICT = "conflict"
    """A tag got a second head, of another digest."""


class Happening(NamedTuple):
    """One of these. They are ordered by when they were written, by the clocks of their nodes."""

    stamp: int
    dot: Dot
    """The event that did it; of a conflict, the later one."""

    kind: Happened
    repository: str
    tag: str
    """Empty where a manifest was deleted."""

    digest: str
    """Empty where a tag was deleted."""

    who: str
    """Who asked for it; empty where that was not noted."""
