"""What is known of a setting, and how a field of the settings says it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, NamedTuple

from node.settings.kinds import SettingKind

ENV_PREFIX: Final = "ATOLL_"

SPEC: Final = "spec"
"""Under which a field's metadata has its `Spec`."""


class Spec(NamedTuple):
    """What is known of a setting besides its name, type and default."""

    kind: SettingKind
    doc: str
    why: str
    unit: str = ""
    shown_default: str | None = None
    """What documentation prints where the default depends on the machine."""

    shared: bool = False
    """Whether it has to be the same on every node of a cluster."""


def env_of(name: str) -> str:
    """The environment variable of the setting *name*."""
    return ENV_PREFIX + name.upper()


def flag_of(name: str) -> str:
    """The command-line flag of the setting *name*."""
    return "--" + name.replace("_", "-")


def about(
    kind: SettingKind,
    doc: str,
    *,
    why: str,
    unit: str = "",
    shown_default: str | None = None,
    shared: bool = False,
) -> Mapping[str, Spec]:
    """The metadata of a field: see `Spec`."""
    return {SPEC: Spec(kind, doc, why, unit, shown_default, shared)}


def setting(default: object, kind: SettingKind, doc: str, **known: Any) -> Any:
    """A field with a *default*, and what `about` takes besides."""
    return field(default=default, metadata=about(kind, doc, **known))
