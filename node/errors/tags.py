"""
Why a tag is not moved.

    RegistryError
    ├── TagMoved     the tag is not what `If-Match` says: somebody has moved it since
    └── TagNeverWas  there never was such a tag, and nobody says that it is to be made
"""

from collections.abc import Sequence

from cluster.model import Dot
from node.errors import RegistryError


class TagMoved(RegistryError):
    """Nothing has changed. *heads* are the writes that the tag has now; none: it is deleted."""

    def __init__(self, repository: str, tag: str, heads: Sequence[Dot]) -> None:
        now = ", ".join(str(dot) for dot in heads) or "deleted"
        super().__init__(f"{repository}:{tag} has moved: it is {now} now")
        self.heads = tuple(heads)

    @property
    def detail(self) -> object:
        return {"events": [str(dot) for dot in self.heads]}


class TagNeverWas(RegistryError):
    def __init__(self, repository: str, tag: str) -> None:
        super().__init__(
            f"there never was a tag {tag!r} in {repository!r}: say `create` to make one"
        )
