"""
Projects: what holds for all repositories whose names begin with the same component.

A policy is one setting, written as a whole. The API refuses fields that it does not know; what
stands in the index may come from a newer node, and is kept as it is and read field by field.
"""

from typing import Annotated, Any, Final, NamedTuple

import msgspec

from cluster.model import Consistency, Dot
from node.errors import NameInvalid, ProjectUnknown
from node.registry.children import Children
from node.registry.names import RepositoryName
from node.registry.ports import Page, Registers, Replicator
from node.registry.receipt import Receipt, acknowledge

KIND: Final = "project"
"""The kind of setting that a policy is."""

HISTORY_MAX: Final = 256
HISTORY_DAYS_MAX: Final = 365
"""Bounds of the two fields: what the index keeps of every tag (`node.index.history`)."""

PROJECTS_PAGE_MAX: Final = 1000


class ProjectPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project decides for its repositories."""

    consistency: Consistency = Consistency.REGION
    """How far a write has to be before it is acknowledged. `local` answers soonest and can lose
    the write with this node; `global` is current everywhere and waits for the slowest link."""

    history_max: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_MAX)] = 64
    """Writes of one tag that its history shows and that can be rolled back to."""

    history_days: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_DAYS_MAX)] = 90
    """Days before the newest write of a tag after which its history ends."""

    children: Children = "all"
    """Manifests that an index lists and that have to be there before it: see the type."""


_DEFAULT: Final = ProjectPolicy()


def project_of(repository: str) -> str:
    """The project that a repository belongs to."""
    return repository.partition("/")[0]


def policy_of(index: Registers, repository: str) -> ProjectPolicy:
    """The policy that holds for a repository, as far as this node knows."""
    found = index.setting(KIND, project_of(repository))
    return _DEFAULT if found is None else read_policy(found[0])


async def prepare_write(index: Registers, replicator: Replicator, repository: str) -> Consistency:
    """
    Make sure that this node may write in a repository, and knows what came before; returns how
    far the write has to be before it is acknowledged.

    What a write replaces or removes is what the node knows: one that has missed something would
    leave a tag that was just pushed standing beside a delete, or make a conflict of two pushes
    that came one after the other.

    Raises:
        NotCaughtUp: a connected peer had more than could be read in time.
        ClockOff, NotEnoughNodes: this node may not write.
    """
    await replicator.ensure_current(patient=True)
    consistency = policy_of(index, repository).consistency
    replicator.check_writable(consistency)
    return consistency


def read_policy(text: str) -> ProjectPolicy:
    """A policy as it stands in the index; fields that make no sense here are the defaults."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _DEFAULT
    if not isinstance(document, dict):
        return _DEFAULT
    understood: dict[str, Any] = {}
    for name in ProjectPolicy.__struct_fields__:
        if name in document:
            try:
                msgspec.convert({name: document[name]}, ProjectPolicy)
            except msgspec.ValidationError:
                continue
            understood[name] = document[name]
    return msgspec.convert(understood, ProjectPolicy)


def parse_project(text: str) -> str:
    """
    Check the name of a project: one component of a repository name.

    Raises:
        NameInvalid: it is not one.
    """
    if "/" in text:
        raise NameInvalid("a project is the first component of a repository name")
    return RepositoryName.parse(text)


class Project(NamedTuple):
    """A project's policy, and the event that set it; None while it has the defaults."""

    name: str
    policy: ProjectPolicy
    event: Dot | None


class Projects:
    """Reading and writing the policies of projects."""

    def __init__(self, index: Registers, replicator: Replicator) -> None:
        self._index = index
        self._replicator = replicator

    async def get(self, name: str) -> Project:
        """What holds for a project, whether somebody has set it or not."""
        await self._replicator.ensure_current()
        found = self._index.setting(KIND, name)
        if found is None:
            await self._replicator.catch_up()
            found = self._index.setting(KIND, name)
        if found is None:
            return Project(name, _DEFAULT, None)
        return Project(name, read_policy(found[0]), found[1])

    async def list(self, last: str, limit: int) -> Page:
        """Names of the projects that have a policy of their own, behind *last*."""
        await self._replicator.ensure_current()
        return self._index.settings(KIND, last, min(limit, PROJECTS_PAGE_MAX))

    async def put(self, name: str, policy: ProjectPolicy) -> Receipt:
        """
        Set the whole policy of a project; acknowledged as a push of its present policy is.

        Raises:
            OutcomeUnknown: too few nodes confirmed it. It stands here, and may be set again.
        """
        consistency = await prepare_write(self._index, self._replicator, name)
        event = await self._index.put_setting(KIND, name, msgspec.json.encode(policy).decode())
        assert event is not None
        return await acknowledge(self._replicator, event, consistency)

    async def delete(self, name: str) -> Receipt:
        """
        Give a project the defaults again.

        Raises:
            ProjectUnknown: it has no policy of its own.
        """
        consistency = await prepare_write(self._index, self._replicator, name)
        event = await self._index.put_setting(KIND, name, None)
        if event is None:
            await self._replicator.catch_up()
            event = await self._index.put_setting(KIND, name, None)
        if event is None:
            raise ProjectUnknown(name)
        return await acknowledge(self._replicator, event, consistency)
