"""`atoll image`: what an image is made of, what is attached to it, and where it is."""

from typing import Any, Final
from urllib.parse import quote, urlencode

from node.cli.client import ask_for
from node.cli.outcome import Outcome
from node.cli.references import parse_reference
from node.cli.words import age, size, table
from node.desk.text import visible

_SHORT: Final = 19
"""Characters of a digest that are shown: those that people compare."""

_COMMAND: Final = 70
"""Characters of a command that fit on a line."""

_STATES: Final = {
    "unknown": "its config is not known here, so the steps are not",
    "too large": "its config is too large to be read",
    "unreadable": "its config cannot be read",
    "other": "its config is not that of an image",
}


def image(text: str, address: str | None = None, *, platform: str | None = None) -> Outcome:
    """
    All that is known of an image; of an index, the layers of the image for *platform*.

    Raises:
        CommandError: there is no such image, or no answer.
    """
    reference = parse_reference(text, address)
    name = quote(reference.name, safe=":")
    path = f"/atoll/v1/repositories/{reference.repository}/images/{name}"
    query = "" if platform is None else f"?{urlencode({'platform': platform})}"
    shown = ask_for(reference.url, "GET", path + query).document
    attached = ask_for(reference.url, "GET", f"{path}/referrers").document
    where = ask_for(reference.url, "GET", f"{path}/replication").document
    parts = [
        _head(reference.image, shown),
        _platforms(shown),
        _layers(shown["opened"]),
        _where(where),
        _attached(attached),
    ]
    document = {"image": shown, "referrers": attached, "replication": where}
    return Outcome("\n\n".join(filter(None, parts)), document)


def _head(name: str, shown: dict[str, Any]) -> str:
    partly = " or more" if shown["is_partial"] else ""
    opened, config = shown["opened"], (shown["opened"] or {}).get("config") or {}
    facts = [
        ("image", name),
        ("digest", shown["digest"]),
        ("kind", _kind(shown)),
        ("size", f"{size(shown['bytes'])}{partly}"),
        ("pushed", _pushed(shown)),
        ("tags", _tags(shown)),
        ("had by", ", ".join(shown["had"])),
        ("platform", opened["platform"] if opened else ""),
        ("created", config.get("created", "")),
        ("user", config.get("user", "")),
        ("entrypoint", (config.get("entrypoint") or {}).get("text", "")),
        ("command", (config.get("command") or {}).get("text", "")),
    ]
    facts += [(each["name"], each["value"]["text"]) for each in config.get("labels", ())]
    facts += [(each["name"], each["value"]["text"]) for each in shown["annotations"]]
    return table([(visible(what), visible(said)) for what, said in facts if said])


def _kind(shown: dict[str, Any]) -> str:
    said = shown["artifact_type"]
    return f"{shown['kind']}, {said}" if said else str(shown["kind"])


def _pushed(shown: dict[str, Any]) -> str:
    event = f" (event {shown['event']})" if shown["event"] else ""
    return f"{shown['pushed']}{event}" if shown["pushed"] else ""


def _tags(shown: dict[str, Any]) -> str:
    more = ", and more" if shown["tags_more"] else ""
    return f"{', '.join(shown['tags'])}{more}"


def _platforms(shown: dict[str, Any]) -> str:
    if not shown["platforms"]:
        return ""
    rows = [
        (visible(each["platform"] or "-"), each["digest"], _known(each["bytes"]))
        for each in shown["platforms"]
    ]
    more = shown["platforms_count"] - len(rows)
    text = table([("PLATFORM", "DIGEST", "SIZE"), *rows])
    return f"{text}\nand {more} more" if more else text


def _known(count: int | None) -> str:
    return "-" if count is None else size(count)


def _layers(opened: dict[str, Any] | None) -> str:
    if opened is None:
        return ""
    rows = []
    for each in opened["layers"]:
        command = visible((each["command"] or {}).get("text", "-"))
        digest = "-" if each["digest"] is None else each["digest"][:_SHORT]
        rows.append((digest, size(each["bytes"]) if each["digest"] else "-", command[:_COMMAND]))
    lines = [table([("LAYER", "SIZE", "MADE BY"), *rows])] if rows else []
    layers, steps = opened["layers_count"], opened["steps_count"]
    told = f"{layers} layer{'' if layers == 1 else 's'}, {steps} step{'' if steps == 1 else 's'}"
    if (shown := len(opened["layers"])) < max(layers, steps):
        told += f"; the first {shown} are shown"
    if opened["state"] in _STATES:
        told += f"; {_STATES[opened['state']]}"
    elif not opened["is_joined"]:
        told += "; they are not as many, so nobody can tell which step made which layer"
    return "\n".join([*lines, told])


def _where(where: dict[str, Any]) -> str:
    rows = [
        (
            each["region"],
            _state(each),
            ",".join(each["nodes"]) or "-",
            f"{each['copies']} of {each['wanted']}" if each["wanted"] else str(each["copies"]),
            f"{size(each['bytes'])} of {size(where['bytes'])}",
            each["complete"] or "-",
        )
        for each in where["regions"]
    ]
    return table([("REGION", "STATE", "NODES", "COPIES", "BYTES", "COMPLETE SINCE"), *rows])


def _state(region: dict[str, Any]) -> str:
    if region["state"] == "behind":
        return f"{age(region['behind_s'])} behind"
    if region["state"] == "arriving":
        return f"arriving, {region['share']:.1%}"
    return str(region["state"])


def _attached(attached: dict[str, Any]) -> str:
    if not attached["attached"]:
        return ""
    rows = [
        (
            each["kind"],
            visible(each["type"]),
            visible(each["platform"] or "-"),
            size(each["bytes"]),
            each["pushed"] or "-",
            each["digest"][:_SHORT],
        )
        for each in attached["attached"]
    ]
    text = table([("ATTACHED", "TYPE", "OF", "SIZE", "PUSHED", "DIGEST"), *rows])
    return f"{text}\nand more" if attached["is_partial"] else text
