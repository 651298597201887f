"""
Who may use how many of the process's file descriptors.

Without a division, connections of strangers take them all, and the index and the blob store fail
at the next file that they open.
"""

import resource
from dataclasses import dataclass
from typing import Final

_OWN: Final = 512
"""For the index (256 tables and its logs), the event loop, other nodes, and blobs that are copied
between nodes."""

_PER_CONNECTION: Final = 4
"""A connection's socket; and while a blob is sent on it, the blob's file, and copies of both. An
upload has its file open for as long as a request writes to it, so it needs none besides."""

_ADMIN_PART: Final = 8
"""One in so many connections may be the admin API's, where there are few."""

_LIMIT_MAX: Final = 1 << 20
"""More are never needed, and "unlimited" is a number too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """How the descriptors of this process are divided."""

    limit: int
    connections: int
    """Client connections."""

    admin: int
    """Connections to the port of the admin API."""

    @classmethod
    def divide(cls, limit: int, connections_max: int, admin_max: int) -> "Descriptors":
        """Divide *limit*; connections get no more than is asked for, and one each at least."""
        places = max(limit - _OWN, 0) // _PER_CONNECTION
        admin = min(admin_max, max(1, places // _ADMIN_PART))
        return cls(
            limit=limit, connections=max(1, min(connections_max, places - admin)), admin=admin
        )


def raise_limit() -> int:
    """Raise the soft limit on open files to the hard one, and return what it is now."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _LIMIT_MAX if hard == resource.RLIM_INFINITY else min(hard, _LIMIT_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit
