"""This node's wall clock, held against its members'."""

from cluster.clock import MAX_OFFSET_MS
from cluster.driver.intake import Intake
from cluster.environment import Environment
from cluster.membership.clocks import ClockWatch
from cluster.model import Greeting, NodeId


class ClockCheck:
    """Reads the clocks, and has `membership.clocks` compare them."""

    def __init__(self, env: Environment, intake: Intake) -> None:
        self._env = env
        self._intake = intake
        self._watch = ClockWatch(env.config.clock_off_max_ms, env.config.clock_sample_max_s)

    def note(self, answer: Greeting, asked_at: float) -> None:
        """Note what a member's clock said in its *answer* to a greeting of *asked_at*."""
        clock = self._env.clock
        self._watch.note(
            answer.member.node, answer.wall_ms, asked_at, clock.now_s(), clock.now_ms()
        )

    def forget(self, node: NodeId) -> None:
        """Heed *node* no more: it is no member now."""
        self._watch.forget(node)

    def off_ms(self) -> float:
        """How far this node's wall clock is ahead of its members', if that is too far; else 0."""
        return self._watch.off_ms(self._env.clock.now_ms(), self._env.clock.now_s())

    def off_at(self, wall_ms: int) -> float | None:
        """
        The same for the reading *wall_ms* of now; None before this node has joined, when no member
        has told it the time. Any thread may ask.
        """
        if not self._env.join.joined:
            return None
        return self._watch.off_ms(wall_ms, self._env.clock.now_s())

    def lag_ms(self) -> float:
        """How far this node's wall clock may be behind its members'; negative if it is ahead."""
        return self._watch.lag_ms(self._env.clock.now_ms(), self._env.clock.now_s())

    def parks_wrongly(self, lag_ms: float) -> bool:
        """
        Whether events may be parked here because this node's clock is behind. It was by *lag_ms*
        when they were pulled.
        """
        # The clock of a writer is at most `clock_off_max_ms` ahead of the median, or it may not
        # write. So its events are parked only where this clock is behind by the rest.
        rest_ms = MAX_OFFSET_MS - self._env.config.clock_off_max_ms
        # The clock may have been set right meanwhile; what it parked before is not here yet.
        return max(lag_ms, self.lag_ms()) > rest_ms and self._intake.parking
