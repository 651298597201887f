"""Members that stopped, and said that they mean to be back soon."""

from typing import Final

from cluster.environment import Environment
from cluster.membership.absences import Absences
from cluster.model import NodeId

_ENDING_S: Final = 2.0
"""Pause before a member is called that said it stops: more than the rest of its run takes."""


class Pausing:
    """The clock and the log around `membership.absences`, which says until when who is excused."""

    def __init__(self, env: Environment, absences: Absences) -> None:
        self._env = env
        self._absences = absences

    def begin(self, node: NodeId, epoch: int) -> bool:
        """
        Note that *node* ends the run *epoch*, so that nobody looks for it; returns whether it does.

        A word of an earlier run came late, and means nothing.
        """
        member = self._env.members.get(node)
        if member is None or member.epoch != epoch:
            return False
        back_soon_s = self._env.config.back_soon_s
        self._absences.excuse(node, self._env.clock.now_s() + back_soon_s)
        self._env.log.info("member stops for a moment", peer=node, expected_in_s=back_soon_s)
        return True

    def end(self, node: NodeId) -> None:
        """Note that *node* is back, in another run."""
        self._absences.end_excuse(node)

    def is_excused(self, node: NodeId) -> bool:
        """Whether *node* said that it would be away, and is not overdue."""
        return self._absences.is_excused(node, self._env.clock.now_s())

    def patience_s(self, node: NodeId) -> float:
        """How long at least to wait before *node* is called: it may still answer while it ends."""
        return _ENDING_S if self.is_excused(node) else 0.0
