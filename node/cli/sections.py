"""The commands of a group, under the headings that they have."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from typer.core import TyperCommand, TyperGroup


class Section(StrEnum):
    """The headings, in their order. Each is a package."""

    CLUSTER = "Cluster"
    IMAGES = "Images"
    PROJECTS = "Projects"
    ACCOUNTS = "Accounts"
    ACCESS = "Access"
    NODE = "Node"


class HelpWriter(Protocol):
    """What help is written to."""

    width: int

    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


class Sections(TyperGroup):
    """
    Its commands name their heading as their panel.

    Typer prints panels by rich alone, which takes long to import.
    """

    def format_commands(self, ctx: object, formatter: HelpWriter) -> None:
        """Write the names of the commands, and what each does, on a line."""
        room = formatter.width - 6 - max(map(len, self.commands))
        for section in Section:
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name, command.get_short_help_str(room))
                        for name, command in self.commands.items()
                        if isinstance(command, TyperCommand | TyperGroup)
                        and command.rich_help_panel == section
                    ]
                )
