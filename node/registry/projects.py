"""Projects: reading and setting what holds for their repositories."""

from functools import partial
from typing import Final, NamedTuple

import msgspec

from cluster.model import Dot
from node.errors import NameInvalid, ProjectUnknown
from node.registry.access import UNRESTRICTED, Access
from node.registry.listing import visible
from node.registry.names import RepositoryName
from node.registry.policy import DEFAULT, KIND, ProjectPolicy, read_policy
from node.registry.receipt import Receipt, acknowledge
from node.registry.usecase import WriteUseCase
from node.registry.values import DeleteSetting, Page, PutSetting

PROJECTS_PAGE_MAX: Final = 1000


def parse_project(text: str) -> str:
    """The name of a project: one component of a repository name, or `NameInvalid`."""
    if "/" in text:
        raise NameInvalid("a project is the first component of a repository name")
    return RepositoryName.parse(text)


class Project(NamedTuple):
    """A project's policy, and the event that set it; None while it has the defaults."""

    name: str
    policy: ProjectPolicy
    event: Dot | None
    who: str = ""
    """Who set it; empty where that was not noted."""


class Projects(WriteUseCase):
    """Reading and writing the policies of projects."""

    async def get(self, name: str) -> Project:
        """What holds for a project, whether somebody has set it or not."""
        await self._look_up(name, partial(self._settings.setting, KIND, name))
        return self.here(name)

    def here(self, name: str) -> Project:
        """As `get`, as far as this node knows."""
        found = self._settings.setting(KIND, name)
        if found is None:
            return Project(name, DEFAULT, None)
        return Project(name, read_policy(found.value), found.event, found.who)

    async def list(self, last: str, limit: int, access: Access = UNRESTRICTED) -> Page:
        """
        Names of the projects that have a policy of their own, behind *last*: those that the caller
        may be told of.
        """
        await self._ensure_current()
        return visible(
            partial(self._settings.settings, KIND),
            access.may_see_project,
            last,
            min(limit, PROJECTS_PAGE_MAX),
        )

    async def put(self, name: str, policy: ProjectPolicy) -> Receipt:
        """
        Set the whole policy of a project; acknowledged as a push of its present policy is.

        Raises:
            OutcomeUnknown: too few nodes confirmed it. It stands here, and may be set again.
        """
        consistency = await self._prepare_write(name)
        text = msgspec.json.encode(policy).decode()
        event = await self._writer.put(PutSetting(KIND, name, text))
        return await acknowledge(self._gate, event, consistency)

    async def delete(self, name: str) -> Receipt:
        """
        Give a project the defaults again.

        Raises:
            ProjectUnknown: it has no policy of its own.
        """
        receipt = await self._delete(name, DeleteSetting(KIND, name))
        if receipt is None:
            raise ProjectUnknown(name)
        return receipt
