"""Where the value of a setting came from."""

from enum import StrEnum
from typing import NamedTuple


class Source(StrEnum):
    """Where a value in force came from."""

    DEFAULT = "default"
    FILE = "file"
    ENV = "env"
    FLAG = "flag"


class SettingOrigin(NamedTuple):
    """The same, with what it is called there."""

    source: Source = Source.DEFAULT
    where: str = ""
    """The file, the variable or the flag; empty for the default."""
