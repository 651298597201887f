"""Command-line flags for every setting, made from the settings themselves."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from node.settings import Settings, SettingsError, load
from node.settings.kinds import Endpoints, Names, Networks, Origins
from node.settings.model import NAMES, spec_of
from node.settings.sources import CONFIG
from node.settings.spec import env_of, flag_of

_OPEN: Final = "open"

EXIT_SETTINGS = 2
"""Exit status when the settings cannot be used; the shell convention for wrong usage."""


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """
    Give *command* an option per setting, `--config` and `--open`, in place of its `**flags`.

    They arrive as written, for `spelled_out`: `node.settings` judges them together with the other
    sources, so that one run reports every problem.
    """
    own = [
        parameter
        for parameter in inspect.signature(command).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    options = [_option(name) for name in NAMES] + [_config_option(), _open_option()]
    # Typer asks the function for its parameters, and believes what it says.
    signature = inspect.Signature([*options, *own])
    vars(command)["__signature__"] = signature
    command.__annotations__ = {
        parameter.name: parameter.annotation for parameter in signature.parameters.values()
    }
    return command


def _option(name: str) -> inspect.Parameter:
    spec = spec_of(name)
    unit = f" [{spec.unit}]" if spec.unit else ""
    info = typer.Option(
        flag_of(name),
        help=f"{spec.doc}{unit} Also {env_of(name)}.",
        metavar=_metavar(name),
        show_default=False,
    )
    repeatable = isinstance(spec.kind, Endpoints | Names | Networks | Origins)
    annotation: Any = list[str] | None if repeatable else str | None
    return _keyword(name, Annotated[annotation, info])


def _config_option() -> inspect.Parameter:
    info = typer.Option(
        "--config",
        help=f"TOML file with settings; flags and environment win. Also {env_of(CONFIG)}.",
        metavar="FILE.toml",
        show_default=False,
    )
    return _keyword(CONFIG, Annotated[str | None, info])


def _open_option() -> inspect.Parameter:
    info = typer.Option(
        "--open",
        help="Short for --auth open: whoever reaches this node may do anything.",
        show_default=False,
    )
    return inspect.Parameter(
        _OPEN, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, info]
    )


def spelled_out(flags: Mapping[str, object]) -> dict[str, object]:
    """*flags* by the names of settings alone. `--auth` wins over `--open`: it is more exact."""
    given = {name: raw for name, raw in flags.items() if name != _OPEN}
    if flags.get(_OPEN) and given.get("auth") is None:
        given["auth"] = "open"
    return given


def _keyword(name: str, annotation: object) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def _metavar(name: str) -> str:
    match name:
        case "http" | "rpc" | "admin" | "advertise_http" | "advertise_rpc" | "join":
            return "HOST:PORT"
        case "cors_origins":
            return "ORIGIN"
        case "external_url":
            return "URL"
        case "trusted_proxies":
            return "NETWORK"
        case "data_dir":
            return "DIR"
        case "region" | "node" | "cluster" | "initial" | "zone":
            return "NAME"
        case "log_level" | "log_format" | "degraded_writes" | "joining" | "auth" | "open_to":
            return "|".join(spec_of(name).kind.accepts.split(", "))
        case _:
            return "N"


def settings_or_exit(flags: Mapping[str, object]) -> Settings:
    """
    Load the settings, or print every problem on a line of its own and leave with status 2.

    Raises:
        typer.Exit: the settings cannot be used.
    """
    try:
        return load(spelled_out(flags))
    except SettingsError as exc:
        print_problems(exc.problems)
        raise typer.Exit(EXIT_SETTINGS) from None


def print_problems(problems: Sequence[str]) -> None:
    """Print *problems* on standard error, one line each."""
    for problem in problems:
        typer.echo(f"atoll: {' '.join(problem.split())}", err=True)
