"""Values of settings as JSON and people have them."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeAlias, cast

from node.settings.kinds import Address
from node.settings.model import default_of, is_required, spec_of

PlainValue: TypeAlias = str | int | float | list[str] | None


def plain(value: object) -> PlainValue:
    """Reduce a value to what TOML and JSON know."""
    match value:
        case Address() | Path() | IPv4Network() | IPv6Network():
            return str(value)
        case tuple():
            return [str(item) for item in value]
        case _:
            return cast("PlainValue", value)


def in_words(value: object) -> str:
    """A value in a line; empty where there is none."""
    match plain(value):
        case None:
            return ""
        case list() as items:
            return ", ".join(items)
        case float() as number:
            return f"{number:.15g}"
        case other:
            return str(other)


def default_in_words(name: str) -> str:
    """The default of the setting *name*, as Markdown; the same on every machine."""
    shown = spec_of(name).shown_default
    if shown is not None:
        return shown
    if is_required(name):
        return "none, it must be given"
    return f"`{text}`" if (text := in_words(default_of(name))) else "none"
