"""Conditional headers: ranges and entity tags, by RFC 9110."""

import pytest

from cluster.model import Digest
from node.api import headers
from node.errors import RangeNotSatisfiable

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("field", "size", "expected"),
    [
        (None, 10, None),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=3-5", 10, (3, 3)),
        ("bytes=3-99", 10, (3, 7)),
        ("bytes=-4", 10, (6, 4)),
        ("bytes=-40", 10, (0, 10)),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("BYTES = 1-2", 10, (1, 2)),
    ],
)
def test_ranges(field: str | None, size: int, expected: tuple[int, int] | None):
    assert headers.byte_range(field, size) == expected


@pytest.mark.parametrize(
    ("field", "size"),
    [("bytes=10-", 10), ("bytes=5-4", 10), ("bytes=-0", 10), ("bytes=-", 10), ("bytes=a-b", 10),
     ("bytes=", 10), ("bytes=0-0", 0), ("bytes=1-2-3", 10), ("bytes=0x1-2", 10),
     ("bytes=" + "9" * 400 + "-", 10), ("bytes=\u0661-2", 10)],
)  # fmt: skip
def test_ranges_outside(field: str, size: int):
    with pytest.raises(RangeNotSatisfiable):
        headers.byte_range(field, size)


@pytest.mark.parametrize(
    ("field", "matches"),
    [
        (None, False),
        (f'"{DIGEST}"', True),
        (f'W/"{DIGEST}"', True),
        (f'"other", "{DIGEST}"', True),
        ("*", True),
        ('"other"', False),
        ("", False),
    ],
)
def test_etags(field: str | None, matches: bool):
    assert headers.matches_etag(field, DIGEST) is matches
