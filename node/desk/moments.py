"""Times as they are shown."""

from datetime import UTC, datetime

from cluster import stamp_ms


def moment(stamp: int) -> str:
    """The time of a stamp: UTC, to the millisecond."""
    return moment_of_ms(stamp_ms(stamp))


def moment_of_ms(ms: int) -> str:
    """The same of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
