"""The order of tags as versions: tags that move, versions from the newest, then the rest."""

import re
from typing import Final

_VERSION: Final = re.compile(
    r"v?(?P<numbers>\d+(?:\.\d+)*)"
    r"(?P<more>[-_.].*|(?:a|alpha|b|beta|c|dev|post|pre|rc)[\d._-].*)?",
    re.ASCII,
)
"""`2.14.1`, `v2`, `2-alpine`, `3.12.0rc1`. Other letters right behind a digit are no version:
`9f3ab12` is a commit."""

_WORD: Final = re.compile(r"\d+|[a-zA-Z]+", re.ASCII)

_LATEST: Final = "latest"
_MOVING_NUMBERS: Final = 2
"""A version of at most so many numbers moves: `2` and `2.14`, but not `2.14.1`."""

_VERSION_DIGITS: Final = 4
"""A single number of more digits is a build, a date or a commit."""

_AFTER_ALL: Final = 1 << 512
"""Larger than any number of a tag, which has at most 128 digits: `2` before `2.14`."""

_REST, _VERSIONS, _MOVING, _FIRST = range(4)

Rank = tuple[int, tuple[int, ...], bool, tuple[tuple[int, int, str], ...], int, str]
"""Compared with another one: the larger is shown first. No two tags have the same."""


def version_rank(tag: str, pushed: int) -> Rank:
    """
    The place of a tag that was *pushed* at a stamp.

    `latest`; then `3`, `3.1`, `2`; then `2.14.1`, `2.14.1-rc.10`, `2.14.1-rc.2`, `2.13.10`,
    `2.13.9`; then what is no version, from the one pushed last.
    """
    if tag == _LATEST:
        return (_FIRST, (), True, (), 0, tag)
    found = _VERSION.fullmatch(tag)
    if found is None or _is_build(found["numbers"]):
        return (_REST, (), True, (), pushed, tag)
    numbers = tuple(int(number) for number in found["numbers"].split("."))
    words = _words(found["more"] or "")
    if len(numbers) <= _MOVING_NUMBERS and not words:
        return (_MOVING, (*numbers, _AFTER_ALL), True, (), 0, tag)
    return (_VERSIONS, numbers, not words, words, 0, tag)


def _is_build(numbers: str) -> bool:
    return "." not in numbers and len(numbers) > _VERSION_DIGITS


def _words(text: str) -> tuple[tuple[int, int, str], ...]:
    """The words of a pre-release, as Semantic Versioning compares them: numbers below letters."""
    return tuple(
        (0, int(word), "") if word.isdigit() else (1, 0, word) for word in _WORD.findall(text)
    )
