"""
What a project decides for all repositories whose names begin with the same component.

A policy is one setting, written as a whole. The API refuses fields that it does not know; what
stands in the index may come from a newer node, and is kept as it is and read field by field.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from cluster.model import Consistency
from node.registry.children import Children
from node.registry.ports import SettingReader

KIND: Final = "project"
"""The kind of setting that a policy is."""

HISTORY_MAX: Final = 256
HISTORY_DAYS_MAX: Final = 365
"""Bounds of the two fields: what the index keeps of every tag (`node.index.history`)."""


PROJECTS_KNOWN_MAX: Final = 10_000
"""Projects of which is remembered whether their reads are logged; whoever asks for names that are
none has all of them looked up again."""


class UnconfirmedReads(StrEnum):
    """What is read while no majority of the region's nodes can be asked what is the latest."""

    SERVE = "serve"
    """What is here, with `Atoll-Consistency: unconfirmed`. docker does not look at that."""

    REFUSE = "refuse"
    """Nothing: 503."""


class ProjectPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project decides for its repositories."""

    consistency: Consistency = Consistency.REGION
    """How far a write has to be before it is acknowledged. `local` answers soonest and can lose
    the write with this node; `global` is current everywhere and waits for the slowest link."""

    history_max: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_MAX)] = 64
    """Writes of one tag that its history shows and that can be rolled back to."""

    history_days: Annotated[int, msgspec.Meta(ge=1, le=HISTORY_DAYS_MAX)] = 90
    """Days before the newest write of a tag after which its history ends."""

    unconfirmed_reads: UnconfirmedReads = UnconfirmedReads.SERVE
    """What is read where no majority of the region's nodes is connected: `serve` goes on with what
    is here and says so in a field of the answer; `refuse` answers 503."""

    children: Children = "all"
    """Manifests that an index lists and that have to be there before it: see the type."""

    log_reads: bool = False
    """Whether each read that succeeds has a line in the log of the node that serves it, with who
    asked. Without it only changes and refusals have one, unless the node logs all requests."""


DEFAULT: Final = ProjectPolicy()


def project_of(repository: str) -> str:
    """The project that a repository belongs to."""
    return repository.partition("/")[0]


def policy_of(settings: SettingReader, repository: str) -> ProjectPolicy:
    """The policy that holds for a repository, as far as this node knows."""
    found = settings.setting(KIND, project_of(repository))
    return DEFAULT if found is None else read_policy(found.value)


class LoggedReads:
    """
    Whether the reads of a repository are logged, by the policy of its project.

    What a policy says is kept until a setting changes: a look at the index and the reading of what
    is there would be a tenth of the time that a read takes. Belongs to one event loop.
    """

    def __init__(self, settings: SettingReader, word: Callable[[], int]) -> None:
        """*word* is another one once a setting has changed (`node.remembered.words`)."""
        self._settings = settings
        self._word = word
        self._known_by = word()
        self._known: dict[str, bool] = {}

    def __call__(self, repository: str) -> bool:
        word = self._word()
        if word != self._known_by or len(self._known) >= PROJECTS_KNOWN_MAX:
            self._known, self._known_by = {}, word
        project = project_of(repository)
        found = self._known.get(project)
        if found is None:
            # Behind the word: what is read now is as new as it says, or newer.
            found = self._known[project] = policy_of(self._settings, project).log_reads
        return found


def read_policy(text: str) -> ProjectPolicy:
    """A policy as it stands in the index; fields that make no sense here are the defaults."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return DEFAULT
    if not isinstance(document, dict):
        return DEFAULT
    understood: dict[str, Any] = {}
    for name in ProjectPolicy.__struct_fields__:
        if name in document:
            try:
                msgspec.convert({name: document[name]}, ProjectPolicy)
            except msgspec.ValidationError:
                continue
            understood[name] = document[name]
    return msgspec.convert(understood, ProjectPolicy)
