"""What members say they have, for tests of the rules that go by it."""

from cluster.gossip.dissemination import Acknowledgements
from cluster.gossip.progress import Progress
from cluster.model import Origin
from tests.builders import a_member

OWN = Origin("a", 1)
"""The log that is to be acknowledged."""


def judge() -> tuple[Progress, Acknowledgements]:
    """The acknowledgements of `OWN`, and what they go by."""
    progress = Progress()
    return progress, Acknowledgements(OWN, progress)


def say(progress: Progress, node: str, acked: int) -> None:
    """*node* greets, and has `OWN` up to *acked*."""
    progress.heard(a_member(node), {OWN: acked})
