"""What the pages of images and of the activity show, in the words of the page."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

from cluster import stamp_ms
from cluster.model import Dot
from cluster.objects import Version, Written
from node.desk.activity import ActivityEntry, ActivityKind
from node.desk.attached import AttachedThing
from node.desk.image_view import ImageShown
from node.desk.replication import RegionReplication, RegionWhere, Where
from node.registry.tags import TagView, with_returns
from node.ui.text import CUT, byte_count, duration, exact, percent

SHORT: Final = 19
"""Characters of a digest in a table: `sha256:` and twelve digits."""

KINDS: Final[dict[str, str]] = {
    "signature": "Signature",
    "sbom": "SBOM",
    "provenance": "Provenance",
    "scan": "Scan",
    "other": "Other",
}

HAPPENED: Final[dict[ActivityKind, str]] = {
    ActivityKind.PUSH: "pushed",
    ActivityKind.ROLLBACK: "rolled back",
    ActivityKind.DELETE: "tag deleted",
    ActivityKind.REMOVE: "image deleted",
    ActivityKind.CONFLICT: "conflict",
    ActivityKind.LAYOUT: "layout changed",
}


class ShownText(NamedTuple):
    """A name and a value of it."""

    name: str
    value: str


class ShownColumn(NamedTuple):
    """A column of a table of records."""

    text: str
    num: bool = False
    hidden: bool = False
    href: str = ""
    sorted: str = ""


class ShownHead(NamedTuple):
    """A head of a tag, as a card."""

    title: str
    event: str
    pairs: Sequence[ShownText]
    served: bool


class ShownWrite(NamedTuple):
    """An entry of a history."""

    event: str
    at: float
    what: str
    more: str
    digest: str
    href: str
    """Of the page of that image."""

    who: str
    node: str
    mark: str
    """`served`, `alert`, or empty."""

    may_return: bool
    """Whether the tag can be pointed there, and is not."""


class ShownRegion(NamedTuple):
    """How an image stands in a region."""

    name: str
    kind: str
    word: str
    nodes: str
    arrived: str
    copies: str
    bytes: str


class ShownCell(NamedTuple):
    """One region in a strip of all."""

    region: str
    text: str
    state: str


class ShownStrip(NamedTuple):
    """Where an image is, in a line."""

    cells: Sequence[ShownCell]
    sentence: str


class ShownAttached(NamedTuple):
    """Something that is attached."""

    kind: str
    type: str
    of: str
    pushed: float | None
    bytes: int
    digest: str
    href: str
    where: ShownStrip | None


class ShownEvent(NamedTuple):
    """An entry of the activity."""

    at: float
    what: str
    mark: str
    name: str
    href: str
    digest: str
    who: str
    node: str


def seconds(time: str) -> float:
    """A time as the API has it, in seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()


def at_of(version: Version) -> float:
    return stamp_ms(version.stamp) / 1000


def short(digest: str) -> str:
    return digest[:SHORT]


def columns(*texts: str, num: Iterable[str] = (), hidden: Iterable[str] = ()) -> list[ShownColumn]:
    """The heads of a table; *num* are numbers, *hidden* ones are heard only."""
    return [ShownColumn(text, text in num, text in hidden) for text in texts]


def heads(view: TagView) -> list[ShownHead]:
    """The heads of a tag, the served one first."""
    found = sorted(view.heads, key=lambda head: (head.stamp, head.dot), reverse=True)
    return [
        ShownHead(
            f"From {head.dot.node}",
            str(head.dot),
            [
                ShownText("Digest", short(head.value or "") + CUT),
                ShownText("Pushed", exact(at_of(head))),
                ShownText("By", head.who or "not noted"),
            ],
            head == view.winner,
        )
        for head in found
    ]


def history(view: TagView) -> list[ShownWrite]:
    """The writes of a tag, newest first."""
    there = {head.dot for head in view.heads}
    served = None if view.winner is None else view.winner.dot
    times = {each.version.dot: at_of(each.version) for each in view.history}
    return [
        _write(view.repository, each, returns_to, there, served, times)
        for each, returns_to in with_returns(view.history)
    ]


def _write(
    repository: str,
    entry: Written,
    returns_to: Dot | None,
    there: set[Dot],
    served: Dot | None,
    times: dict[Dot, float],
) -> ShownWrite:
    version = entry.version
    is_served, loses = version.dot == served, version.dot in there and version.dot != served
    what, more = ("deleted", "") if version.value is None else ("pushed", "")
    if returns_to is not None:
        what = "rolled back"
        more = f"to {exact(times[returns_to])}" if returns_to in times else ""
    return ShownWrite(
        str(version.dot),
        at_of(version),
        what,
        "not served" if loses else more,
        version.value or "",
        f"/ui/i/{repository}@{version.value}",
        version.who,
        version.dot.node,
        "served" if is_served else "alert" if loses else "",
        version.value is not None and not is_served,
    )


def seen_of(view: TagView) -> str:
    """What `If-Match` has to say for the tag as it is: its heads, or the event that deleted it."""
    dots = [head.dot for head in view.heads]
    if not dots and view.history and view.history[0].version.value is None:
        dots = [view.history[0].version.dot]
    return ",".join(map(str, dots))


def regions(found: Sequence[RegionReplication], pushed: str | None) -> list[ShownRegion]:
    """The rows of *Where it is*."""
    return [
        ShownRegion(
            each.region,
            *_state(each),
            ", ".join(each.nodes) or "none",
            _arrived(each, pushed),
            f"{each.copies} of {each.wanted}" if each.wanted else str(each.copies),
            byte_count(each.bytes),
        )
        for each in found
    ]


def _state(region: RegionReplication | RegionWhere) -> tuple[str, str]:
    """The kind of a state, and its word."""
    match region.state:
        case "here":
            return "ok", "complete"
        case "arriving":
            return "move", f"arriving, {percent(region.share)} %"
        case "on pull":
            return "off", "on first pull"
        case "behind":
            return "warn", f"{duration(region.behind_s or 0)} behind"
        case "unreadable":
            return "bad", "unreadable"
        case "silent":
            return "off", "does not answer"


def _arrived(region: RegionReplication, pushed: str | None) -> str:
    if region.complete is None or pushed is None:
        return "not yet" if region.state in ("arriving", "behind") else "not told"
    passed = seconds(region.complete) - seconds(pushed)
    return "before the push" if passed <= 0 else duration(passed)


_CELLS: Final = {
    "here": "here",
    "arriving": "arriving",
    "on pull": "pull",
    "behind": "late",
    "unreadable": "missing",
    "silent": "known",
}


def strip(where: Where | None) -> ShownStrip | None:
    """Where an image is, in a line; None: that is not known yet."""
    if where is None:
        return None
    cells, told = [], []
    for region, found in where.items():
        text = {"arriving": f"{percent(found.share)} %", "behind": ""}.get(found.state, "")
        if found.state == "behind":
            text = duration(found.behind_s or 0)
        cells.append(ShownCell(region, text, _CELLS[found.state]))
        told.append(f"{region}: {_state(found)[1]}")
    return ShownStrip(cells, "; ".join(told))


def summary(found: Sequence[RegionReplication]) -> str:
    """How many regions know of an image, and have all of it."""
    knows = sum(bool(each.knows) for each in found)
    whole = sum(each.state == "here" for each in found)
    return f"Known in {knows} of {len(found)} regions, complete in {whole}"


def attached(
    things: Sequence[AttachedThing], repository: str, where: Sequence[Where | None]
) -> list[ShownAttached]:
    """The rows of *Attached to it*; *where* each is."""
    return [
        ShownAttached(
            KINDS[each.kind],
            each.type,
            each.platform or "the image",
            None if each.pushed is None else seconds(each.pushed),
            each.bytes,
            short(each.digest),
            f"/ui/i/{repository}@{each.digest}",
            strip(place),
        )
        for each, place in zip(things, where, strict=True)
    ]


def platform_link(shown: ImageShown, platform: str) -> str:
    """The address of the page with another platform opened."""
    sign, reference = (":", shown.tag) if shown.tag is not None else ("@", shown.digest)
    query = urlencode({"platform": platform}, errors="replace")
    return f"/ui/i/{shown.repository}{sign}{reference}?{query}#platforms"


def entry(found: ActivityEntry) -> ShownEvent:
    """A row of the activity."""
    name, href = "the layout", ""
    if found.layout is not None:
        name = f"version {found.layout}"
    elif found.tag is not None:
        name = f"{found.repository}:{found.tag}"
        href = f"/ui/i/{name}"
    elif found.repository is not None:
        name, href = found.repository, f"/ui/i/{found.repository}"
    mark = "alert" if found.kind is ActivityKind.CONFLICT else ""
    return ShownEvent(
        seconds(found.time),
        HAPPENED[found.kind],
        mark,
        name,
        href,
        short(found.digest or ""),
        found.who or "",
        found.node,
    )
