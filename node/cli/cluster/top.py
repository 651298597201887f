"""`atoll top`: regions, nodes, what goes on and what a node does now, drawn again and again."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from node.cli.client import ask_for
from node.cli.cluster import work
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import age, size, spark, table

_LOOK_S: Final = 2.0

_PARTS: Final = ("regions", "members", "series", "work", "attention")
"""What is asked for, below `/atoll/v1/`."""

_REGIONS: Final = ("REGION", "NODES", "STORED", "FULLEST DISK", "BEHIND", "ROUND TRIP", "SHORT",
                   "MAY STOP")  # fmt: skip

_NODES: Final = ("NODE", "REGION", "STATE", "ROLE", "ATOLL", "BEHIND", "DISK", "ROUND TRIP",
                 "CLOCK", "MAY STOP")  # fmt: skip

_NAMES: Final = {
    "pushes": "pushes",
    "pulls": "pulls",
    "errors": "errors",
    "bytes_out": "bytes out",
    "lag": "lag",
}


def look(url: str) -> Outcome:
    """
    All that `top` shows, once.

    Raises:
        CommandError: the node at *url* does not say.
    """
    base = parse_url(url)
    found = {part: ask_for(base, "GET", f"/atoll/v1/{part}").document for part in _PARTS}
    return Outcome("\n".join(_lines(found)), found)


def watch(url: str) -> None:
    """
    Draw it again and again, until interrupted.

    Raises:
        CommandError: the node at *url* does not answer at first. Later what was seen last stays,
            with its age.
    """
    from rich.live import Live
    from rich.text import Text

    def drawn(text: str) -> Text:
        shown = Text(text, no_wrap=True, overflow="ellipsis")
        shown.highlight_words(["STALLED", "critical", "dead"], style="bold red")
        shown.highlight_words(["warning", "suspect", "unlinked", "unheard"], style="yellow")
        return shown

    outcome, seen = look(url), time.monotonic()
    try:
        with Live(drawn(outcome.text), screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(_LOOK_S)
                try:
                    outcome, seen = look(url), time.monotonic()
                    live.update(drawn(outcome.text), refresh=True)
                except CommandError as exc:
                    old = age(time.monotonic() - seen)
                    live.update(drawn(f"{old} old: {exc}\n\n{outcome.text}"), refresh=True)
    except KeyboardInterrupt:
        return


def nodes(url: str) -> Outcome:
    """
    The nodes alone: `atoll node list`.

    Raises:
        CommandError: the node at *url* does not say.
    """
    found = ask_for(parse_url(url), "GET", "/atoll/v1/members").document
    lines = [table([_NODES, *map(_node, found["nodes"])]), *_about_nodes(found)]
    return Outcome("\n".join(lines), found)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    series, attention = found["series"], found["attention"]["attention"]
    yield f"{series['node']} ({series['region']}), {_verdict(attention)}"
    yield ""
    yield table([row for each in series["series"] if (row := _figure(each))])
    if series["missing"]:
        missing = ", ".join(series["missing"])
        yield f"of {series['node']} alone; nodes do not tell each other these: not of {missing}"
    yield ""
    yield table([_REGIONS, *map(_region, found["regions"]["regions"])])
    yield ""
    yield table([_NODES, *map(_node, found["members"]["nodes"])])
    yield from _about_nodes(found["members"])
    yield ""
    yield from work.lines(found["work"])
    if attention:
        yield ""
    for concern in attention:
        yield f"{concern['severity']}: {concern['title']}"


def _verdict(attention: Sequence[dict[str, Any]]) -> str:
    pressing = sum(each["severity"] != "notice" for each in attention)
    return f"{pressing} need attention" if pressing else "nothing needs attention"


def _figure(series: dict[str, Any]) -> Sequence[str]:
    name, now, unit = _NAMES[series["name"]], series["now"], series["unit"]
    if now is None:
        value = "-"
    elif unit == "bytes/s":
        value = f"{size(int(now))}/s"
    else:
        value = f"{now:g} {unit}" if unit == "s" else f"{now:g}{unit}"
    return name, value, spark(series["points"])


def _region(region: dict[str, Any]) -> Sequence[str]:
    return (
        region["region"],
        f"{region['serving']} of {region['nodes']}",
        size(region["blob_bytes"]),
        _disk(region["fullest"], with_node=True),
        _behind(region),
        _ms(region["round_trip_ms"]),
        "-" if region["short"] is None else str(region["short"]),
        ",".join(region["may_stop"]) or "none",
    )


def _node(node: dict[str, Any]) -> Sequence[str]:
    clock, stop = node["clock_ahead_ms"], node["stop"]
    return (
        node["node"],
        node["region"],
        node["condition"],
        ",".join(node["roles"]) or "-",
        node["version"] or "-",
        _behind(node),
        _disk(node["disk"]),
        _ms(node["round_trip_ms"]),
        "-" if clock is None else f"{clock:+.0f} ms",
        "-" if stop is None else "yes" if stop["safe"] else "no",
    )


def _about_nodes(found: dict[str, Any]) -> Iterator[str]:
    if found["missing"]:
        yield f"not heard now: {', '.join(found['missing'])}"
    if found["counted"] is None:
        yield "copies of blobs are not counted yet, so nobody may be stopped"


def _behind(subject: dict[str, Any]) -> str:
    events, seconds = subject["behind_events"], subject["behind_s"]
    if events is None:
        return "-"
    return f"{events} events" if seconds is None else f"{seconds:.1f} s"


def _disk(disk: dict[str, Any] | None, *, with_node: bool = False) -> str:
    if disk is None:
        return "-"
    told = f"{100 * disk['used_share']:.0f} % of {size(disk['bytes'])}"
    return f"{told} ({disk['node']})" if with_node else told


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f} ms"
