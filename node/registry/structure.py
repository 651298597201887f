"""
How much JSON a text is, told from its bytes: counted before anybody decodes it.

A decoder keeps the interpreter lock while it runs, so it stops the event loop on whatever thread
it runs, and what it costs depends on the tokens rather than on the bytes: four megabytes may be
one string, or two million empty arrays. Everything here is a handful of passes over the bytes, and
takes about as long for the one as for the other.
"""

from typing import Final

TOKENS_MAX: Final = 100_000
"""Tokens (RFC 8259, section 2) of a manifest: brackets, commas, colons, strings, numbers, literals.
A descriptor has some 14, or 26 with its platform. Whoever raises this measures what the worst
manifests cost (`python -m bench.stalls`)."""

DEPTH_MAX: Final = 32
"""Arrays and objects inside each other, the outermost included."""

_BRACES_AS_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_WHITESPACE: Final = b" \t\n\r"
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]"))


class TooMuch(Exception):
    """The text is beyond a bound; `str()` says which."""


def check_bounds(text: bytes) -> None:
    """
    Check that a JSON text has few enough tokens and is not too deep.

    What it says of a text that is not JSON means nothing, but decoding that costs no more until
    the decoder comes to where it ceases to be.

    Raises:
        TooMuch: it has more of one or the other.
    """
    outside = _without_strings(text).translate(_BRACES_AS_BRACKETS, _WHITESPACE)
    if _count_tokens(outside) > TOKENS_MAX:
        raise TooMuch(f"it has more than {TOKENS_MAX} JSON tokens")
    brackets = outside.translate(None, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")  # the innermost go, and no others
    if b"[]" in brackets:
        raise TooMuch(f"it has arrays and objects inside each other more than {DEPTH_MAX} deep")


def is_within_bounds(text: bytes) -> bool:
    try:
        check_bounds(text)
    except TooMuch:
        return False
    return True


def _without_strings(text: bytes) -> bytes:
    """The text with a quotation mark in the place of each string."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 2 * TOKENS_MAX:
        raise TooMuch(f"it has more than {TOKENS_MAX} JSON tokens")
    return b'"'.join(text.split(b'"')[::2])


def _count_tokens(outside: bytes) -> int:
    """
    Count the tokens of a text without strings and white space, all of its brackets square.

    Each bracket has its counterpart and each colon its key. There is a value before the first
    comma and behind each one, but for the arrays and objects that are empty; those that are arrays
    or objects have been counted by their brackets.
    """
    pairs, commas, colons = outside.count(b"["), outside.count(b","), outside.count(b":")
    return 2 * (pairs + commas + colons) + 1 - outside.count(b"[]")
