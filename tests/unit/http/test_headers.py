"""Conditional headers: entity tags, by RFC 9110."""

import pytest

from cluster.model import Digest
from node.http import headers

DIGEST = Digest.of(b"x")


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
