"""What the config of an image says. It is a stranger's: each field is read by itself, or not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from node.desk.outline import shown_texts
from node.desk.text import COMMAND_MAX, VALUE_MAX, NamedText, Text, cut
from node.registry.children import platform_name
from node.registry.structure import is_within_bounds

CONFIG_BYTES_MAX: Final = 1 << 20
"""Of a config that is read. Those of images have some 10 KiB."""

T = TypeVar("T")


class Step(msgspec.Struct, gc=False):
    """One step of a build. What is no text in it is left out by `_steps`."""

    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class ConfigFacts(msgspec.Struct, frozen=True):
    """What the config of an image says of it."""

    platform: str
    """`OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`; empty: it does not say."""

    created: str
    """When the image was made, as whoever made it says; empty: they do not."""

    author: str
    """Who that says they are; empty: they do not."""

    user: str
    """As whom it runs; empty: as root."""

    working_dir: str
    """Where it runs; empty: at the root."""

    entrypoint: Text | None
    """What it runs, as a command line; null: nothing is said."""

    command: Text | None
    """What is appended to that, or runs where there is none; null: nothing is said."""

    labels: Sequence[NamedText]
    """The first of its labels, by name."""

    labels_count: int
    """How many there are."""


class ImageConfig(NamedTuple):
    """A config, read."""

    facts: ConfigFacts
    history: Sequence[Step]


_RawFields = Mapping[str, msgspec.Raw]
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STEPS: Final = msgspec.json.Decoder(list[Step])
_TEXT: Final = msgspec.json.Decoder(str)
_WORDS: Final = msgspec.json.Decoder(list[str])
_LABELS: Final = msgspec.json.Decoder(dict[str, str])


def read_config(data: bytes) -> ImageConfig | None:
    """What *data* says; None: it is no config, or more complicated than those of images are."""
    if len(data) > CONFIG_BYTES_MAX or not is_within_bounds(data):
        return None
    fields = _read(_FIELDS.decode, data, None)
    if fields is None:
        return None
    inner: _RawFields = _field(fields, "config", _FIELDS.decode, {})
    labels: dict[str, str] = _field(inner, "Labels", _LABELS.decode, {})
    os, architecture, variant = (
        _field(fields, name, _TEXT.decode, "")[:VALUE_MAX]
        for name in ("os", "architecture", "variant")
    )
    facts = ConfigFacts(
        platform_name(os, architecture, variant),
        _field(fields, "created", _TEXT.decode, "")[:VALUE_MAX],
        _field(fields, "author", _TEXT.decode, "")[:VALUE_MAX],
        _field(inner, "User", _TEXT.decode, "")[:VALUE_MAX],
        _field(inner, "WorkingDir", _TEXT.decode, "")[:VALUE_MAX],
        _command_line(_field(inner, "Entrypoint", _WORDS.decode, [])),
        _command_line(_field(inner, "Cmd", _WORDS.decode, [])),
        shown_texts(labels),
        len(labels),
    )
    return ImageConfig(facts, _field(fields, "history", _STEPS.decode, []))


def _field(fields: _RawFields, name: str, decode: Callable[[Any], T], without: T) -> T:
    """A field that is what it should be; *without* it, or where it is null or something else."""
    raw = fields.get(name)
    return without if raw is None else _read(decode, raw, without)


def _read(decode: Callable[[Any], T], raw: bytes | msgspec.Raw, without: T) -> T:
    try:
        return decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # ValueError: no UTF-8, or an integer of more digits than Python reads.
        return without


def _command_line(words: Sequence[str]) -> Text | None:
    return cut(" ".join(words), COMMAND_MAX) if words else None
