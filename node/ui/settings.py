"""The page of the settings: of the whole cluster, and of this node with where each comes from."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from cluster.layout import COPIES_MAX, DegradedWrites, SetSettings
from node.desk.planner import CHANGING
from node.desk.settings import (
    REGIONS_MAX,
    ClusterSetting,
    OwnSetting,
    SettingSource,
)
from node.errors import DocumentInvalid
from node.http.endpoint import Action, Request
from node.http.forms import FormFields
from node.registry.policy import ProjectPolicy
from node.ui import text
from node.ui.columns import ColumnHead
from node.ui.context import UiContext
from node.ui.page import Sheet, about, form, gone_to, page
from node.ui.project import policy_values
from node.ui.tabs import CLUSTER, SETTINGS

_FROM: Final[dict[SettingSource, str]] = {
    "default": "default",
    "file": "file",
    "env": "environment",
    "flag": "flag",
}

_CLUSTER_COLUMNS: Final = (
    ColumnHead("Setting"),
    ColumnHead("Value"),
    ColumnHead("May be"),
    ColumnHead("What it is"),
)

_COLUMNS: Final = (
    ColumnHead("Setting"),
    ColumnHead("Value"),
    ColumnHead("From"),
    ColumnHead("What it is"),
)

_COUNT: Final = re.compile("[0-9]{1,4}", re.ASCII)


class ClusterSettingRow(NamedTuple):
    """A setting of the whole cluster, as the table has it."""

    name: str
    value: str
    accepts: str
    doc: str


class OwnSettingRow(NamedTuple):
    """A setting of the node, as the table has it."""

    name: str
    value: str
    is_default: bool
    """Whether nobody gave it: the value says what comes of that."""

    source: str
    where: str
    doc: str
    notes: Sequence[str]
    """What else is to be known of it."""

    mark: str


async def settings(context: UiContext, request: Request) -> Sheet:
    """The page: all of it is in memory."""
    found = context.desk.settings.look()
    values: dict[str, str] = {each.name: str(each.value) for each in found.cluster}
    rows = [(each.shared, own_row(each)) for each in found.settings]
    return Sheet(
        template="settings.html",
        title="Settings",
        terminal="atoll settings",
        values={
            "version": found.version,
            "cluster_columns": _CLUSTER_COLUMNS,
            "cluster_rows": [cluster_row(each) for each in found.cluster],
            "plan_command": plan_command(found.cluster),
            "holds": values,
            "degraded": [each.value for each in DegradedWrites],
            "columns": _COLUMNS,
            "shared_rows": [row for shared, row in rows if shared],
            "own_rows": [row for shared, row in rows if not shared],
            "policy": policy_values(ProjectPolicy()),
        },
    )


def cluster_row(setting: ClusterSetting) -> ClusterSettingRow:
    """A setting of the whole cluster, as the table has it."""
    return ClusterSettingRow(
        setting.name, str(setting.value), setting.accepts, plain_text(setting.doc)
    )


def plan_command(found: Sequence[ClusterSetting]) -> str:
    """The command that plans other values; as it is, it would change nothing."""
    options = [f"--{each.name.replace('_', '-')} {each.value}" for each in found]
    return " ".join(["atoll layout plan", *options])


def own_row(setting: OwnSetting) -> OwnSettingRow:
    """A setting of the node, as the table has it."""
    value, notes = setting.value, []
    if setting.founding:
        notes.append("counts when a cluster begins; since then the layout's, above")
    notes += [f"{other} at {node}" for node, other in setting.elsewhere.items()]
    unset = value is None or value == []
    return OwnSettingRow(
        setting.name,
        setting.default if unset else in_words(setting),
        setting.source == "default",
        _FROM[setting.source],
        setting.where,
        plain_text(setting.doc),
        notes,
        "alert" if setting.elsewhere else "",
    )


def plain_text(markdown: str) -> str:
    """What is known of a setting, as a page has it: names are not marked in it."""
    return markdown.replace("`", "")


def in_words(setting: OwnSetting) -> str:
    """The value, with its unit."""
    value = setting.value
    if isinstance(value, list):
        return ", ".join(value)
    told = f"{value:.15g}" if isinstance(value, float) else str(value)
    return f"{told}{text.SPACE}{setting.unit}" if setting.unit else told


async def plan(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: plan other values of what holds in the whole cluster. Nothing changes by it."""
    about(request, "settings of the layout")
    held = context.planner.live.settings
    wanted = msgspec.structs.replace(
        held,
        copies=_number(fields, "copies", COPIES_MAX),
        regions_min=_number(fields, "regions_min", REGIONS_MAX),
        degraded_writes=_degraded(fields),
    )
    if wanted == held:
        raise DocumentInvalid("these are the values that hold; nothing was planned")
    await context.planner.plan(SetSettings(wanted))
    return gone_to(f"{CLUSTER}#plan")


def _number(fields: FormFields, name: str, most: int) -> int:
    given = fields.one(name).strip()
    if not _COUNT.fullmatch(given) or not 1 <= int(given) <= most:
        raise DocumentInvalid(f"{name} has to be a number from 1 to {most}; nothing was planned")
    return int(given)


def _degraded(fields: FormFields) -> DegradedWrites:
    given = fields.one("degraded_writes")
    if given not in {*DegradedWrites}:
        known = " or ".join(DegradedWrites)
        raise DocumentInvalid(f"degraded_writes has to be {known}; nothing was planned")
    return DegradedWrites(given)


ENDPOINTS: Final = (
    page(
        Action.PAGE_SETTINGS,
        SETTINGS,
        settings,
        "Show the settings of the cluster and of this node, and where each comes from.",
        route="/atoll/v1/settings",
        tab=SETTINGS,
        errors=(),
    ),
    form(
        Action.PAGE_SETTINGS_PLAN,
        f"{SETTINGS}/plan",
        plan,
        "Plan other settings of the whole cluster.",
        route="/atoll/v1/layout/plan",
        recent=True,
        errors=(*CHANGING, DocumentInvalid),
    ),
)
