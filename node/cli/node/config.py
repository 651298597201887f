"""`atoll config`: every setting, its value in force, where that came from and what it means."""

import os
import textwrap
from enum import StrEnum
from typing import Annotated, Final

import typer

from node.cli.flags import EXIT_SETTINGS, print_problems, spelled_out, takes_settings
from node.cli.options import Json, for_people_alone
from node.settings.model import NAMES, is_required, spec_of
from node.settings.sources import Given, gather
from node.settings.spec import env_of, flag_of
from node.settings.words import default_in_words, in_words, plain


class Format(StrEnum):
    """How to print the settings."""

    TABLE = "table"
    TOML = "toml"
    JSON = "json"


@takes_settings
def config(
    *,
    format: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.TABLE,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference documentation instead.")
    ] = False,
    as_json: Json = False,
    **flags: object,
) -> None:
    """Print every setting: its value, where that came from, and what it means."""
    if as_json:
        format = Format.JSON
    if markdown:
        for_people_alone(as_json=as_json)
        typer.echo(reference(), nl=False)
        return
    found = gather(spelled_out(flags), os.environ)
    # A missing data_dir is shown, not refused: this command is how one learns about it.
    if found.problems:
        print_problems(found.problems)
        raise typer.Exit(EXIT_SETTINGS)
    if format is Format.TABLE:
        _print_table(found)
    else:
        render = as_toml if format is Format.TOML else json_of
        typer.echo(render(found), nl=False)


def json_of(found: Given) -> str:
    """An array of objects, one per setting, in the order of the documentation."""
    import msgspec

    rows = [
        {
            "name": name,
            "value": plain(found.values[name]),
            "source": found.origins[name].source,
            "env": env_of(name),
            "flag": flag_of(name),
            "unit": spec_of(name).unit,
            "accepts": spec_of(name).kind.accepts,
            "doc": spec_of(name).doc,
        }
        for name in NAMES
    ]
    return msgspec.json.format(msgspec.json.encode(rows)).decode() + "\n"


def as_toml(found: Given) -> str:
    """A file for `--config` that gives the same settings again, with explanations."""
    import msgspec

    parts = []
    for name in NAMES:
        spec, value = spec_of(name), found.values[name]
        lines = [f"# {line}" for line in textwrap.wrap(spec.doc, 96)]
        lines.append(f"# {spec.kind.accepts}{_in_unit(name)}; from: {found.origins[name].source}")
        if value is None:
            lines.append(f"# {name} =")
        else:
            # JSON's strings, numbers and arrays of strings are TOML's, but for DEL.
            written = msgspec.json.encode(plain(value)).decode().replace("\x7f", "\\u007f")
            lines.append(f"{name} = {written}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _print_table(found: Given) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "from")
    table.add_column("meaning", overflow="fold", ratio=1)
    for name in NAMES:
        # Text, not str: a value in square brackets is no markup.
        meaning = Text(f"{spec_of(name).doc}{_in_unit(name)}\n")
        meaning.append(f"{flag_of(name)}  {env_of(name)}", style="dim")
        absent = "(required)" if is_required(name) else "(not set)"
        value = Text(in_words(found.values[name]) or absent)
        table.add_row(Text(name), value, Text(found.origins[name].source), meaning)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_A_FILE)
    console.print(table)


_WIDTH_OF_A_FILE: Final = 140


def _in_unit(name: str) -> str:
    unit = spec_of(name).unit
    return f" ({unit})" if unit else ""


_INTRODUCTION: Final = """\
# Configuration

Every setting is a flag of `atoll serve`, an environment variable and a key of a flat TOML file that
`--config FILE.toml` or `ATOLL_CONFIG` names. A flag wins over the environment, which wins over the
file, which wins over the default. Every problem is reported in one go, unknown keys of the file and
unknown `ATOLL_` variables included; an empty variable counts as not set.

`atoll config` takes the same flags and prints the values in force and where each came from;
`atoll config --format toml` writes them as a file to start from; `atoll settings` asks a node that
runs, and tells the settings of the whole cluster too. This page is the output of `atoll config
--markdown`.

Addresses are HOST:PORT, for IPv6 `[::1]:5000`. Sizes are whole bytes and durations seconds, without
a suffix.
"""


def reference() -> str:
    """The reference documentation in Markdown; the same on every machine."""
    return _INTRODUCTION + "".join(f"\n## `{name}`\n\n{_entry(name)}" for name in NAMES)


def _entry(name: str) -> str:
    spec = spec_of(name)
    rows: list[tuple[str, str]] = [
        ("Default", default_in_words(name)),
        ("Accepts", f"{spec.kind.accepts}{_in_unit(name)}"),
        ("Flag", f"`{flag_of(name)}`"),
        ("Environment", f"`{env_of(name)}`"),
    ]
    if spec.shared:
        rows.append(("On every node", "the same; where it is not, nodes say so"))
    listed = "".join(f"- {label}: {text}\n" for label, text in rows)
    return f"{_paragraph(spec.doc)}\n{listed}\n{_paragraph(spec.why)}"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 100) + "\n"
