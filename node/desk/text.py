"""Text from images, which is a stranger's: cut to a length, and shown without taking effect."""

from typing import Final

import msgspec

COMMAND_MAX: Final = 300
"""Characters of a command that are shown."""

VALUE_MAX: Final = 200
"""Characters of an annotation, a label and the like that are shown."""

_NAMED: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


class Text(msgspec.Struct, frozen=True):
    """Text of an image, as it is, but for its end."""

    text: str
    """Its beginning."""

    is_cut: bool
    """Whether there is more of it."""


class NamedText(msgspec.Struct, frozen=True):
    """A label or an annotation."""

    name: str
    """Its name, or the beginning of that."""

    value: Text
    """What it says."""


def cut(text: str, most: int) -> Text:
    """The first *most* characters."""
    return Text(text[:most], len(text) > most)


def visible(text: str) -> str:
    """
    *text* with an escape in the place of each character that is not printed: a terminal would obey
    it, and a browser turn the direction of what follows.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
