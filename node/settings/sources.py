"""
The three sources of settings (TOML file, `ATOLL_*` environment, flags) and what they add up to.

A flag wins over the environment, which wins over the file, which wins over the default. All
problems are found before any is reported.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

from node.settings.kinds import Address
from node.settings.model import NAMES, Settings, default_of, is_required, spec_of
from node.settings.origins import SettingOrigin, Source
from node.settings.spec import ENV_PREFIX, env_of, flag_of

CONFIG: Final = "config"
"""The flag (and, in capitals, the variable) that names the TOML file. Not itself a setting."""

_CONFIG_BYTES_MAX: Final = 1 << 20

_SERVICE_LINK: Final = re.compile(
    r"ATOLL_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
"""Variables that Kubernetes sets in every pod beside a service called `atoll` or `atoll-...`."""


class SettingsError(Exception):
    """The settings cannot be used. *problems* holds one sentence each, at least one."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Given(NamedTuple):
    """
    What the three sources add up to, valid or not.

    *values* has every setting, and None for the required ones in *missing*, which nobody gave.
    That is not yet a problem: `atoll config` shows such a state, `load` refuses it.
    """

    values: dict[str, object]
    origins: dict[str, SettingOrigin]
    missing: list[str]
    problems: list[str]


def gather(flags: Mapping[str, object], environ: Mapping[str, str]) -> Given:
    """
    Read all sources. *flags* is by setting name (and `config`); None means not given.

    Reads the TOML file and nothing else; never raises for what an operator wrote.
    """
    problems: list[str] = []
    values = {name: default_of(name) for name in NAMES}
    origins = dict.fromkeys(NAMES, SettingOrigin())
    given = [
        *_from_file(flags.get(CONFIG) or environ.get(env_of(CONFIG)), problems),
        *_from_environment(environ, problems),
        *_from_flags(flags),
    ]
    written = {each.name for each in given}
    missing = [name for name in NAMES if is_required(name) and name not in written]
    # Every source is parsed, not only the winning one: a typo that a flag hides today would
    # stop the node on the day that the flag goes.
    for each in given:
        try:
            values[each.name] = spec_of(each.name).kind.parse(each.raw)
        except ValueError as exc:
            problems.append(f"{each.label} {exc}")
        else:
            origins[each.name] = each.origin
    problems += _contradictions(values)
    return Given(values, origins, missing, problems)


def load(flags: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read the settings in force. *environ* is the process environment unless given.

    Raises:
        SettingsError: with everything that is wrong.
    """
    found = gather(flags, os.environ if environ is None else environ)
    missing = [
        f"{name} is required: give {flag_of(name)}, {env_of(name)} or {name} in the file"
        for name in found.missing
    ]
    if found.problems or missing:
        raise SettingsError([*missing, *found.problems])
    checked: dict[str, Any] = found.values
    given = {name: each for name, each in found.origins.items() if each.where}
    return Settings(**checked, origins=given)


class _Written(NamedTuple):
    """What one source says of one setting."""

    source: Source
    name: str
    where: str
    """The file, the variable or the flag."""

    raw: object

    @property
    def label(self) -> str:
        """How a message calls it."""
        return f"{self.where}: {self.name}" if self.source is Source.FILE else self.where

    @property
    def origin(self) -> SettingOrigin:
        if self.source is Source.FILE:  # whoever reads it may be anywhere
            return SettingOrigin(self.source, str(Path(self.where).absolute()))
        return SettingOrigin(self.source, self.where)


def _from_file(path: object, problems: list[str]) -> list[_Written]:
    if not isinstance(path, str | Path) or not str(path):
        return []
    try:
        with Path(path).open("rb") as file:
            data = file.read(_CONFIG_BYTES_MAX + 1)
        if len(data) > _CONFIG_BYTES_MAX:
            raise ValueError(f"is larger than {_CONFIG_BYTES_MAX} bytes")
        table = tomllib.loads(data.decode())
    except OSError as exc:
        problems.append(f"{path} cannot be read: {exc.strerror}")
        return []
    except ValueError as exc:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors.
        problems.append(f"{path} is not a valid TOML file: {exc}")
        return []
    problems += [
        f"{path}: unknown setting {key!r}{_suggestion(key, NAMES)}"
        for key in table
        if key not in NAMES
    ]
    return [
        _Written(Source.FILE, name, str(path), raw) for name, raw in table.items() if name in NAMES
    ]


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> list[_Written]:
    by_variable = {env_of(name): name for name in NAMES}
    known = [*by_variable, env_of(CONFIG)]
    found: list[_Written] = []
    for variable, text in sorted(environ.items()):
        if variable in by_variable:
            # An empty variable is how Compose files and unit files say "not set".
            if text:
                found.append(_Written(Source.ENV, by_variable[variable], variable, text))
        elif variable in known or not variable.startswith(ENV_PREFIX):
            continue
        elif not _is_service_link(variable, text):
            problems.append(f"unknown variable {variable}{_suggestion(variable, known)}")
    return found


def _is_service_link(variable: str, text: str) -> bool:
    link = variable.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))
    return link or _SERVICE_LINK.fullmatch(variable) is not None


def _from_flags(flags: Mapping[str, object]) -> Iterator[_Written]:
    for name in NAMES:
        raw = flags.get(name)
        # A repeatable flag that was never given is an empty list.
        if raw is not None and raw != [] and raw != ():
            yield _Written(Source.FLAG, name, flag_of(name), raw)


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _contradictions(values: Mapping[str, object]) -> Iterator[str]:
    """Tell which values, each valid alone, cannot be used together."""
    http, rpc, admin, join = values["http"], values["rpc"], values["admin"], values["join"]
    assert isinstance(http, Address)
    assert isinstance(rpc, Address)
    assert isinstance(admin, Address)
    assert isinstance(join, tuple)
    for (one, first), (other, second) in combinations(
        (("http", http), ("rpc", rpc), ("admin", admin)), 2
    ):
        if first == second:
            yield f"{one} and {other} cannot both listen on {first}"
    if not admin.is_loopback:
        yield f"admin must be a loopback address, not {admin}: what is there runs the cluster"
    if values["auth"] == "open" and values["open_to"] != "all" and not http.is_loopback:
        yield (
            f"auth is open, and http ({http}) is reached from other machines, which could do "
            "anything: say so twice, by --open-to all as well"
        )
    for name in ("advertise_http", "advertise_rpc"):
        advertised = values[name]
        if isinstance(advertised, Address) and advertised.is_wildcard:
            yield f"{name} must be an address that others can connect to, not {advertised}"
    if values["advertise_rpc"] is not None:
        return
    # Asked for even without `join`: another node may join this one, and would then be told to
    # connect to its own wildcard or loopback address.
    if rpc.is_wildcard:
        yield f"advertise_rpc is required because rpc listens on every interface ({rpc})"
    elif rpc.is_loopback and not all(seed.is_loopback for seed in join):
        yield (
            f"advertise_rpc is required: nodes on other machines (join) cannot reach this one "
            f"at {rpc}; listen on another address, or say how {rpc} is reached"
        )
