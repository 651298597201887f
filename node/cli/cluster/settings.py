"""`atoll settings`: the settings of the cluster, and of the node that is asked."""

from collections.abc import Iterator
from typing import Any, Final

from node.cli.client import ask_for
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import table

_HEAD: Final = ("SETTING", "VALUE", "FROM")


def look(url: str) -> Outcome:
    """
    All of them, as the node at *url* has them.

    Raises:
        CommandError: it does not say.
    """
    found = ask_for(parse_url(url), "GET", "/atoll/v1/settings").document
    return Outcome("\n".join(lines(found)), found)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    if found["version"] is None:
        yield "there is no layout yet, so nothing holds in the whole cluster"
    else:
        yield f"in the whole cluster, by layout {found['version']}; `atoll layout plan` changes it:"
        rows = [(each["name"], str(each["value"]), each["doc"]) for each in found["cluster"]]
        yield table([("SETTING", "VALUE", "WHAT IT IS"), *rows])
    yield ""
    yield f"of the node {found['node']}, as it was started:"
    yield table([_HEAD, *(_row(each) for each in found["settings"])])
    for each in found["settings"]:
        for node, value in each["elsewhere"].items():
            yield f"! {each['name']} is {value} at {node}, and has to be the same everywhere"


def _row(setting: dict[str, Any]) -> tuple[str, str, str]:
    value, unit = setting["value"], setting["unit"]
    if value is None or value == []:
        return setting["name"], f"({setting['default']})", setting["source"]
    plain = f"{value:.15g}" if isinstance(value, float) else value
    told = ", ".join(value) if isinstance(value, list) else f"{plain} {unit}".strip()
    begins = "; counts when a cluster begins" if setting["founding"] else ""
    return setting["name"], told, (setting["where"] or setting["source"]) + begins
