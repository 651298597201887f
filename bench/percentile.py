"""What most of some readings are no more than."""

from collections.abc import Sequence


def percentile(readings: Sequence[float], percent: int) -> float:
    """What *percent* of the readings are no more than."""
    ordered = sorted(readings)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
