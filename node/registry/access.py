"""What the use cases ask of whoever sends a request: `node.http.guard` and the rules behind it."""

from typing import Final, Protocol


class Access(Protocol):
    """The permissions of whoever sends a request."""

    def may_pull(self, repository: str) -> bool:
        """Whether what is in *repository* may be read by, or made visible to, the caller."""
        ...

    def may_list(self, repository: str) -> bool:
        """Whether the caller may be told that there is *repository*."""
        ...

    def may_list_some(self, project: str) -> bool:
        """Whether there may be a repository of *project* that the caller may be told of: a quick
        look before `may_list`. False: there is none."""
        ...

    def may_see_project(self, project: str) -> bool:
        """Whether the caller may be told what holds for *project*."""
        ...

    def may_see_who(self, repository: str) -> bool:
        """Whether the caller may be told who has changed *repository*."""
        ...

    def may_see_layout(self) -> bool:
        """Whether the caller may be told what was decided about the layout."""
        ...


class _Unrestricted:
    def may_pull(self, repository: str) -> bool:
        return True

    def may_list(self, repository: str) -> bool:
        return True

    def may_list_some(self, project: str) -> bool:
        return True

    def may_see_project(self, project: str) -> bool:
        return True

    def may_see_who(self, repository: str) -> bool:
        return True

    def may_see_layout(self) -> bool:
        return True


UNRESTRICTED: Final[Access] = _Unrestricted()
"""Everybody's, where nobody says who they are."""
