"""Going through names that may be somebody else's: what the caller may not see costs little, and
says nothing."""

from typing import Final

from node.registry.access import Access
from node.registry.policy import project_of

REFUSED_MAX: Final = 5000
"""Names that the caller may not see, in projects of which they may see something, that are looked
at for one answer: some 50 ms."""


class Sight:
    """What a caller may see, for one answer."""

    def __init__(self, access: Access, project: str = "") -> None:
        """With a *project*, nothing else is seen."""
        self._access = access
        self._project = project
        self._projects: dict[str, bool] = {}
        self._refused = 0

    @property
    def is_worn(self) -> bool:
        """Whether so many names were refused that it has to end."""
        return self._refused >= REFUSED_MAX

    def may_be_seen(self, name: str) -> bool:
        """Whether a repository is in a project of which the caller may see something. Most of what
        they may not see is told by that: one look at a dictionary."""
        project = project_of(name)
        found = self._projects.get(project)
        if found is None:
            found = self._project in ("", project) and self._access.may_list_some(project)
            self._projects[project] = found
        return found

    def sees(self, name: str) -> bool:
        """Whether the caller may be told of a repository."""
        seen = self.may_be_seen(name) and self._access.may_list(name)
        self._refused += not seen
        return seen

    def sees_who(self, name: str) -> bool:
        """Whether the caller may be told who pushed there."""
        return self._access.may_see_who(name)
