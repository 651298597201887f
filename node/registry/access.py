"""What a caller may do: the one place where that is decided. Today everybody may do everything."""

from typing import Final, Protocol


class Access(Protocol):
    """The permissions of whoever sends a request."""

    def may_pull(self, repository: str) -> bool:
        """Whether what is in *repository* may be read by, or made visible to, the caller."""
        ...


class _Unrestricted:
    def may_pull(self, repository: str) -> bool:
        return True


UNRESTRICTED: Final[Access] = _Unrestricted()
"""Everybody's, as long as nobody says who they are."""
