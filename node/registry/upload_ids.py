"""
The name that a client gets for an upload session: which session, and on which node.

Behind a load balancer the next chunk may reach any node; the name says whose session it is. The
session's part is random (122 bits), and only its owner can say whether it is one, and of which
repository.
"""

from typing import NamedTuple, Self

from cluster.model import NODE_ID, NodeId
from node.errors import UploadUnknown


class UploadId(NamedTuple):
    """`<session>.<owner>`: sessions have no dot, node names may have some."""

    session: str
    owner: NodeId

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read an id as it stands in a URL.

        Raises:
            UploadUnknown: no node gave this id out.
        """
        session, dot, owner = text.partition(".")
        if not session or not dot or NODE_ID.fullmatch(owner) is None:
            raise UploadUnknown(text)
        return cls(session, NodeId(owner))

    def __str__(self) -> str:
        return f"{self.session}.{self.owner}"
