"""`atoll --markdown`: every command, as docs/commands.md has it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from typer.core import TyperArgument, TyperCommand, TyperGroup

from node.cli.exits import FAILED, INTERRUPTED, UNUSABLE, exits_of
from node.cli.sections import Section

_INTRODUCTION: Final = f"""\
# Commands

`atoll COMMAND --help` tells the options of each. With `--json` a command prints a JSON document on
standard output: mostly what the API answered. `atoll node remove` prints one for each node that it
removes, `atoll up` and `atoll status --watch` one for each thing that happens, a line each. `atoll
serve` prints nothing but its logs, on standard error; `--log-format json` is for them.

Why a command could not do its work is a line on standard error, whatever its form of output, and
an exit status. A process that was interrupted ends with {INTERRUPTED}, as in any shell; a fault of
Atoll itself with {FAILED}, and a traceback. This page is the output of `atoll --markdown`.
"""

_HEAD: Final = "| command | what it does | 0 | 1 | 2 | other |\n|---|---|---|---|---|---|\n"


class Leaf(NamedTuple):
    """A command that does something."""

    words: str
    """What stands behind `atoll`, such as `node add`."""

    section: Section
    command: TyperCommand


def leaves(group: TyperGroup) -> Iterator[Leaf]:
    """All of them, in the order of the help."""
    for name, command in group.commands.items():
        assert isinstance(command, TyperCommand | TyperGroup)
        section = Section(command.rich_help_panel or "")
        if isinstance(command, TyperCommand):
            yield Leaf(name, section, command)
            continue
        for inner, leaf in command.commands.items():
            assert isinstance(leaf, TyperCommand), "groups have no groups"
            yield Leaf(f"{name} {inner}", section, leaf)


def reference(group: TyperGroup) -> str:
    """The page in Markdown; the same on every machine."""
    rows: dict[Section, list[str]] = {section: [] for section in Section}
    for leaf in leaves(group):
        rows[leaf.section].append(_row(leaf))
    return _INTRODUCTION + "".join(
        f"\n## {section}\n\n{_HEAD}{''.join(found)}" for section, found in rows.items()
    )


def _row(leaf: Leaf) -> str:
    exits = exits_of(leaf.words)
    usual = [exits[status] for status in range(UNUSABLE + 1)]
    others = (f"{status}: {what}" for status, what in exits.items() if status > UNUSABLE)
    given = [_argument(each) for each in leaf.command.params if isinstance(each, TyperArgument)]
    does = (leaf.command.help or "").partition("\n\n")[0].partition(" Exit status:")[0]
    cells = (
        f"`{' '.join(['atoll', leaf.words, *given])}`",
        " ".join(does.split()),
        *usual,
        "; ".join(others),
    )
    return f"| {' | '.join(cells)} |\n"


def _argument(argument: TyperArgument) -> str:
    return argument.metavar or str(argument.name).upper()
