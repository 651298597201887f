"""What this node did lately: a few figures, and 60 points of each."""

from collections import deque
from typing import Final, NamedTuple

from node.desk.values import DeskSeries

POINTS: Final = 60
"""Kept of each figure."""

STEP_S: Final = 5.0
"""Between two of them: five minutes in all."""


class Tally(NamedTuple):
    """What was counted since the start."""

    pushes: int = 0
    """Manifests stored for clients."""

    pulls: int = 0
    """Manifests given to clients; an image for several platforms is two."""

    errors: int = 0
    """Answers with a status of 500 or above."""

    bytes_out: int = 0
    """Of bodies of answers."""


class _Step(NamedTuple):
    """A second's worth of what was counted, and the lag in seconds, if it could be told."""

    pushes: float
    pulls: float
    errors: float
    bytes_out: float
    lag: float | None


class History:
    """Ring buffers. The sampler writes them (`node.desk.cluster`), on the event loop."""

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=POINTS)
        self._last: tuple[float, Tally] | None = None
        self.latest: float | None = None
        """When the latest point was taken, in seconds since 1970; None: none yet."""

    def note(self, steady: float, wall: float, tally: Tally, lag_s: float | None) -> None:
        """Take a sample, at *steady* seconds of a clock that nobody sets."""
        last, self._last = self._last, (steady, tally)
        if last is None or steady <= last[0]:
            return
        passed = steady - last[0]
        before = last[1]

        def rate(now: int, then: int) -> float:
            return round((now - then) / passed, 3)

        step = _Step(
            rate(tally.pushes, before.pushes),
            rate(tally.pulls, before.pulls),
            rate(tally.errors, before.errors),
            rate(tally.bytes_out, before.bytes_out),
            None if lag_s is None else round(lag_s, 3),
        )
        self._steps.append(step)
        self.latest = wall

    def series(self, points: int = POINTS) -> tuple[DeskSeries, ...]:
        """The latest *points* of each, the oldest first."""
        steps = list(self._steps)[-points:]
        now = steps[-1] if steps else None
        return (
            DeskSeries("pushes", "/s", now and now.pushes, [s.pushes for s in steps]),
            DeskSeries("pulls", "/s", now and now.pulls, [s.pulls for s in steps]),
            DeskSeries("errors", "/s", now and now.errors, [s.errors for s in steps]),
            DeskSeries("bytes_out", "bytes/s", now and now.bytes_out, [s.bytes_out for s in steps]),
            DeskSeries("lag", "s", now and now.lag, [s.lag for s in steps]),
        )
