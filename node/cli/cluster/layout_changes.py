"""The changes of `atoll layout plan`, as they are given on the command line."""

from collections.abc import Mapping, Sequence
from typing import Final

from node.cli.cluster.layout import Sent
from node.cli.errors import CommandError

_Given = Sequence[str] | None

_AVAILABILITIES: Final = {"drain": "draining", "pause": "paused", "resume": "active"}


def changes(
    *,
    add: _Given,
    remove: _Given,
    weight: _Given,
    zone: _Given,
    roles: _Given,
    voters: str | None,
    witness: _Given,
    region_copies: _Given,
    shared: Mapping[str, object],
    **availability: _Given,
) -> list[Sent]:
    """
    What they are to the API, in the order in which they make sense together.

    Raises:
        CommandError: there is none, or one is not NAME=VALUE.
    """
    found: list[Sent] = [{"change": "add", "node": node} for node in add or ()]
    for word, nodes in availability.items():
        found += [
            {"change": "availability", "node": node, "availability": _AVAILABILITIES[word]}
            for node in nodes or ()
        ]
    for node, text in _pairs(weight):
        found.append({"change": "weight", "node": node, "weight": _number(text)})
    found += [{"change": "zone", "node": node, "zone": text} for node, text in _pairs(zone)]
    for node, text in _pairs(roles):
        found.append({"change": "roles", "node": node, "roles": text.split(",")})
    found += [{"change": "remove", "node": node} for node in remove or ()]
    if voters is not None:
        found.append({"change": "voters", "nodes": voters.split(",")})
    for region, text in _pairs(region_copies):
        copies = None if text == "default" else _number(text)
        found.append({"change": "rule", "region": region, "copies": copies})
    given = {name: value for name, value in shared.items() if value is not None}
    if given:
        found.append({"change": "settings", **given})
    for region, node in _pairs(witness):
        found.append({"change": "witness", "region": region, "node": node})
    if not found:
        raise CommandError("nothing to plan: say what is to change (atoll layout plan --help)")
    return found


def _pairs(given: _Given) -> list[tuple[str, str]]:
    found = []
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise CommandError(f"{each!r} is not NAME=VALUE")
        found.append((name, value))
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise CommandError(f"{text!r} is not a number")
    return int(text)
