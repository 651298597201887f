"""How every use case looks things up, writes and deletes, with the word of the others."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeVar

from cluster.model import Consistency
from node.errors import Unconfirmed
from node.registry.policy import DEFAULT, UnconfirmedReads, policy_of
from node.registry.ports import Gate, MetadataWriter, SettingReader
from node.registry.receipt import Receipt, acknowledge
from node.registry.values import Deletion

T = TypeVar("T")

unconfirmed: Final[ContextVar[bool]] = ContextVar("unconfirmed", default=False)
"""Whether what the request of this context has read may not be the latest: no majority of the
region could be asked. Its answer says so."""


class UseCase:
    """Something that clients may ask of the registry."""

    def __init__(self, settings: SettingReader, gate: Gate) -> None:
        self._settings = settings
        self._gate = gate

    async def _ensure_current(self, repository: str = "") -> None:
        """
        Return once what is here is the latest, or the project of *repository* is content with less;
        an empty name is about no project.

        Raises:
            Unconfirmed: it is not. Others: see `Gate.ensure_current`.
        """
        if await self._gate.ensure_current():
            return
        policy = policy_of(self._settings, repository) if repository else DEFAULT
        if policy.unconfirmed_reads is UnconfirmedReads.REFUSE:
            raise Unconfirmed(repository)
        unconfirmed.set(True)

    async def _look_up(
        self, repository: str, here: Callable[[], T | None], *, near: bool = False
    ) -> T | None:
        """
        What *here* finds in the index, which is current then. Nothing is "not found" before the
        connected peers were asked (P2), or those of this region where that is enough (*near*).

        Raises:
            NotCaughtUp, ClockOff, Unconfirmed: it is not known whether what is here is the latest.
        """
        await self._ensure_current(repository)
        found = here()
        if found is None:
            await self._gate.catch_up(near=near)
            found = here()
        return found


class WriteUseCase(UseCase):
    """One that changes something."""

    def __init__(self, settings: SettingReader, writer: MetadataWriter, gate: Gate) -> None:
        super().__init__(settings, gate)
        self._writer = writer

    def check_writable(self, repository: str) -> Consistency:
        """
        Return how far a write in *repository* has to be before it is acknowledged, if one may be
        tried here.

        Raises:
            ClockOff, NotEnoughNodes: this node may not write.
        """
        consistency = policy_of(self._settings, repository).consistency
        self._gate.check_writable(consistency)
        return consistency

    async def _prepare_write(self, repository: str) -> Consistency:
        """
        As `check_writable`, once this node knows what came before.

        What a write replaces or removes is what the node knows: one that has missed something would
        leave a tag that was just pushed standing beside a delete, or make a conflict of two pushes
        that came one after the other.

        Raises:
            NotCaughtUp: a connected peer had more than could be read in time.
            ClockOff, NotEnoughNodes: this node may not write.
        """
        await self._gate.ensure_current(patient=True)
        return self.check_writable(repository)

    async def _delete(self, repository: str, deletion: Deletion) -> Receipt | None:
        """
        Carry out *deletion*; None when no connected node knows what to delete.

        Raises:
            OutcomeUnknown: too few nodes confirmed it in time. It is deleted here, and the others
                may hear of it yet. Others: see `_prepare_write`.
        """
        consistency = await self._prepare_write(repository)
        event = await self._writer.delete(deletion)
        if event is None:
            await self._gate.catch_up()
            event = await self._writer.delete(deletion)
        return None if event is None else await acknowledge(self._gate, event, consistency)
