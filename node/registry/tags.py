"""Tags as registers: their history, their conflicts, and going back."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from cluster import COUNTER_BITS
from cluster.model import Digest, Dot
from cluster.objects import Version, Written
from node.errors import EventUnknown, ManifestUnknown, RollbackInvalid
from node.errors.tags import TagNeverWas
from node.registry.access import UNRESTRICTED, Access
from node.registry.listing import HIDDEN_MAX
from node.registry.names import RepositoryName, Tag
from node.registry.policy import ProjectPolicy, policy_of
from node.registry.ports import Gate, ManifestReader, SettingReader, TagReader
from node.registry.push import Push, PushedManifest
from node.registry.usecase import UseCase
from node.registry.values import TagName

CONFLICTS_PAGE_MAX: Final = 1000

_DAY: Final = 86_400_000 << COUNTER_BITS


class TagView(NamedTuple):
    """A tag as a register. *history* begins with the newest."""

    repository: str
    tag: str
    winner: Version | None
    heads: tuple[Version, ...]
    conflict: bool
    history: Sequence[Written] = ()


class Tags(UseCase):
    """The admin side of tags."""

    def __init__(
        self,
        tags: TagReader,
        manifests: ManifestReader,
        settings: SettingReader,
        gate: Gate,
        push: Push,
    ) -> None:
        super().__init__(settings, gate)
        self._tags = tags
        self._manifests = manifests
        self._push = push

    async def view(self, repository: RepositoryName, tag: Tag) -> TagView:
        """
        A tag with its heads and its history, as far back as its project's policy shows.

        Raises:
            ManifestUnknown: there never was such a tag, as far as the connected nodes know.
        """
        view = await self._look_up(repository, partial(self._view, repository, tag))
        if view is None:
            raise ManifestUnknown(repository, tag)
        return view

    async def rollback(
        self,
        repository: RepositoryName,
        tag: Tag,
        to: Dot | Digest,
        *,
        create: bool = False,
        only_over: tuple[Dot, ...] | None = None,
    ) -> PushedManifest:
        """
        Point a tag at what it once was, or at any manifest of its repository: a push like others.

        A tag that never was cannot go back: a slip of the finger would make it. Whoever wants that
        says *create*. Whoever has seen the tag says with *only_over* which heads it had; the event
        that deleted it, if that was so.

        Raises:
            TagMoved: it has others now. Of two who saw the same, one goes back, at one node.
            TagNeverWas: there never was such a tag, as far as the connected nodes know.
            ManifestUnknown: the same, of a tag that was to go back to an event.
            EventUnknown: its history does not show that event.
            RollbackInvalid: the event deleted the tag.
            ManifestUnknown: the manifest is not there any more.
        """
        if isinstance(to, Digest):
            if not create:
                await self._insist(repository, tag)
            digest = to
        else:
            digest = _value_of(await self.view(repository, tag), to)
        found = partial(self._manifests.manifest, repository, digest)
        record = await self._look_up(repository, found)
        if record is None:
            raise ManifestUnknown(repository, digest)
        # The manifest is pushed again with the tag: a delete that runs now must not take it away.
        return await self._push.put_manifest(
            repository, digest, record.media_type, record.body, (tag,), only_over=only_over
        )

    async def _insist(self, repository: RepositoryName, tag: Tag) -> None:
        if await self._look_up(repository, partial(self._view, repository, tag)) is None:
            raise TagNeverWas(repository, tag)

    async def conflicts(
        self,
        repository: RepositoryName | None,
        last: TagName | None,
        limit: int,
        access: Access = UNRESTRICTED,
    ) -> tuple[list[TagView], TagName | None]:
        """
        Tags whose heads disagree, behind *last*, in repositories that the caller may be told of;
        and where to go on, None at the end.
        """
        await self._ensure_current(repository or "")
        limit = min(limit, CONFLICTS_PAGE_MAX)
        found: list[TagView] = []
        hidden, more = 0, True
        while more and len(found) < limit and hidden < HIDDEN_MAX:
            names, more = self._tags.conflicts(repository, last, limit - len(found))
            seen = [name for name in names if access.may_list(name.repository)]
            found += [self._state(*name) for name in seen]
            hidden += len(names) - len(seen)
            last = names[-1] if names else last
        return found, last if more and last is not None else None

    def _state(self, repository: str, tag: str) -> TagView:
        register = self._tags.tag_register(repository, tag)
        return TagView(repository, tag, register.winner, register.heads, register.conflict)

    def _view(self, repository: str, tag: str) -> TagView | None:
        """None when there never was such a tag."""
        history = shown(
            self._tags.tag_history(repository, tag), policy_of(self._settings, repository)
        )
        view = self._state(repository, tag)._replace(history=history)
        return view if view.heads or view.history else None


def shown(history: Sequence[Written], policy: ProjectPolicy) -> list[Written]:
    """What a project's policy shows of a tag's history, newest first."""
    kept = history[-policy.history_max :]
    horizon = kept[-1].version.stamp - policy.history_days * _DAY if kept else 0
    return [entry for entry in reversed(kept) if entry.version.stamp >= horizon]


def with_returns(history: Sequence[Written]) -> list[tuple[Written, Dot | None]]:
    """
    Each entry of a history, newest first, with the last one before it by which the tag had the same
    digest, if it had another in between; None of the others.

    An entry does not say whether a rollback made it: that is a push like others.
    """
    found: list[tuple[Written, Dot | None]] = []
    last: dict[str, Dot] = {}
    before: str | None = None
    for entry in reversed(history):
        value = entry.version.value
        returns = value is not None and value != before
        found.append((entry, last.get(value) if returns and value is not None else None))
        if value is not None:
            last[value] = entry.version.dot
        before = value
    found.reverse()
    return found


def _value_of(view: TagView, event: Dot) -> Digest:
    for head in view.heads:
        if head.dot == event and head.value is not None:
            return Digest(head.value)
    for written in view.history:
        if written.version.dot == event:
            if written.version.value is None:
                raise RollbackInvalid(f"event {event} does not point the tag at anything")
            return Digest(written.version.value)
    raise EventUnknown(view.repository, view.tag, event)
